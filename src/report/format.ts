/** Numbers as people read them, the same in the terminal and on the report page. English, no locale of the machine. */

const DASH = '–';

/** At most `digits` significant digits, no trailing zeros, thousands separated: 199,210; 0.0034; 1.2e−9. */
export function formatNumber(value: number | undefined, digits = 3): string {
  if (value === undefined) return DASH;
  if (!Number.isFinite(value)) return Number.isNaN(value) ? 'NaN' : value > 0 ? '∞' : '−∞';
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-4 || size >= 1e15))
    return value.toExponential(digits - 1).replaceAll('-', '−');
  const rounded = Number.isInteger(value) ? value : Number(value.toPrecision(digits));
  const [whole, fraction] = Math.abs(rounded).toString().split('.');
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, ',');
  return `${rounded < 0 ? '−' : ''}${grouped}${fraction ? `.${fraction}` : ''}`;
}

/** A privacy budget: like `formatNumber`, but rounded up, so that what is shown is never smaller than what was spent. */
export function formatBudget(spent: number | undefined, digits = 4): string {
  if (spent === undefined || !Number.isFinite(spent) || spent === 0) return formatNumber(spent);
  let shown = Number(spent.toPrecision(digits));
  if (shown < spent) {
    const exponent = Number(spent.toExponential(digits - 1).split('e')[1]);
    shown = Number((shown + Number(`1e${exponent - digits + 1}`)).toPrecision(digits));
  }
  return formatNumber(shown, digits);
}

/** A share in [0, 1] as per cent, one decimal below 99.95: 91.3 %. */
export function formatPercent(share: number | undefined, decimals = 1): string {
  if (share === undefined) return DASH;
  return Number.isFinite(share) ? `${(100 * share).toFixed(decimals)} %` : formatNumber(share);
}

/** Decimal units, three significant digits: 812 B, 1.6 MB. */
export function formatBytes(bytes: number | undefined): string {
  if (bytes === undefined) return DASH;
  if (!Number.isFinite(bytes)) return formatNumber(bytes);
  const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];
  let scaled = bytes;
  let unit = 0;
  // 999.5 would be written 1000 with three digits, so it moves on to the next unit.
  while (Math.abs(scaled) >= 999.5 && unit < units.length - 1) {
    scaled /= 1000;
    unit++;
  }
  return `${unit === 0 ? Math.round(scaled) : Number(scaled.toPrecision(3))} ${units[unit]}`;
}

/** 12 ms, 3.4 s, 2:05 (minutes), 1:02:05 (hours). */
export function formatSeconds(seconds: number | undefined): string {
  if (seconds === undefined) return DASH;
  if (!Number.isFinite(seconds)) return formatNumber(seconds);
  if (seconds < 0.9995) return `${Math.round(1000 * seconds)} ms`;
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  const two = (n: number): string => String(n).padStart(2, '0');
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor(whole / 60) % 60;
  return hours > 0 ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

/** Whether a metric is a share and read best in per cent. */
export function isShare(metric: string): boolean {
  return /(accuracy|-frac)(\.\w+)?$/.test(metric);
}

/** A metric's value in the form that suits it. */
export function formatMetric(metric: string, value: number | undefined): string {
  if (isShare(metric)) return formatPercent(value);
  if (/^privacy\/(epsilon|delta)$/.test(metric)) return formatBudget(value);
  if (/-bytes(-total)?$/.test(metric)) return formatBytes(value);
  if (/(^|\/)[\w-]+-s$/.test(metric) && !metric.endsWith('per-s')) return formatSeconds(value);
  return formatNumber(value, 4);
}

/**
 * Text safe to print on a terminal: control characters, which could move the cursor or worse, become spaces, and so do the marks that
 * turn the direction of writing, which could show a name as another.
 */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]+/gu, ' ');
}
