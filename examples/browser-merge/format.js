/** Numbers as a person reads them. */

const units = (value, names, step) => {
  let unit = 0;
  let rest = value;
  while (rest >= step && unit < names.length - 1) {
    rest /= step;
    unit++;
  }
  const digits = unit === 0 || rest >= 100 ? 0 : rest >= 10 ? 1 : 2;
  return `${rest.toFixed(digits)}${names[unit] && ` ${names[unit]}`}`;
};

/** With a space that does not break. */
export const bytes = (n) => units(n, ['B', 'kB', 'MB', 'GB', 'TB'], 1000).replace(' ', '\u00a0');
export const count = (n) => units(n, ['', 'thousand', 'million', 'billion'], 1000);
export const counted = (n, what) => `${n.toLocaleString('en-US')} ${what}${n === 1 ? '' : 's'}`;
export const percent = (share) => `${(share * 100).toPrecision(3)} %`;
export const number = (n) => (Number.isFinite(n) ? Number(n.toPrecision(4)).toString() : String(n));
