import * as Plot from '@observablehq/plot';
import { formatNumber } from '../format.js';
import type { PagePartition } from '../report-data.js';
import { MIN_WIDTH, withoutInlineStyle } from './panel.js';

interface Client {
  id: number;
  counts: number[];
  total: number;
}

const sum = (counts: readonly number[]): number => counts.reduce((a, b) => a + b, 0);
const mainClass = (client: Client): number => client.counts.indexOf(Math.max(...client.counts));

/** Shannon entropy of the labels in bits: 0 when a client has one class only. */
function entropy({ counts, total }: Client): number {
  return -sum(counts.filter((c) => c > 0).map((c) => (c / total) * Math.log2(c / total)));
}

const ORDERS: readonly { label: string; compare(a: Client, b: Client): number }[] = [
  { label: 'client number', compare: (a, b) => a.id - b.id },
  { label: 'number of examples', compare: (a, b) => b.total - a.total },
  { label: 'largest class', compare: (a, b) => mainClass(a) - mainClass(b) || b.total - a.total },
  { label: 'evenness of classes', compare: (a, b) => entropy(a) - entropy(b) },
];

/** Fills the partition section: a heat map of clients by classes, sortable. */
export function showPartition(section: HTMLElement, partition: PagePartition): void {
  const clients = partition.clients.map((client) => ({ ...client, total: sum(client.counts) }));
  const text = document.createElement('p');
  text.textContent = describePartition(partition, clients);

  const select = document.createElement('select');
  ORDERS.forEach(({ label }, i) => {
    const option = document.createElement('option');
    option.value = String(i);
    option.textContent = label;
    select.append(option);
  });
  const label = document.createElement('label');
  label.className = 'sort';
  label.append('Clients sorted by ', select);
  const box = document.createElement('div');
  box.className = 'plot-box';
  section.append(text, label, box);
  section.hidden = false;

  let width = 0;
  const draw = (): void => {
    const order = ORDERS[Number(select.value)];
    const sorted = [...clients].sort((a, b) => order.compare(a, b) || a.id - b.id);
    const plot = withoutInlineStyle(heatMap(partition, sorted, width));
    plot.setAttribute('role', 'img');
    plot.setAttribute('aria-label', `Heat map, sorted by ${order.label}. ${text.textContent}`);
    box.replaceChildren(plot);
  };
  select.addEventListener('change', draw);
  new ResizeObserver(([entry]) => {
    const next = Math.max(MIN_WIDTH, Math.round(entry.contentRect.width));
    if (entry.contentRect.width === 0 || next === width) return;
    width = next;
    draw();
  }).observe(box);
}

function describePartition(partition: PagePartition, clients: readonly Client[]): string {
  const totals = clients.map((client) => client.total).sort((a, b) => a - b);
  const held = clients.map((client) => client.counts.filter((c) => c > 0).length).sort((a, b) => a - b);
  const middle = (sorted: readonly number[]): number => sorted[sorted.length >> 1] ?? 0;
  const sample =
    partition.population > clients.length
      ? ` (an even sample of ${formatNumber(clients.length)} is drawn and described)`
      : '';
  return (
    `${formatNumber(partition.population)} clients${sample}, ${formatNumber(partition.classes.length)} classes. ` +
    `Examples a client: ${formatNumber(totals[0])} to ${formatNumber(totals.at(-1))}, median ${formatNumber(middle(totals))}. ` +
    `Classes a client: ${formatNumber(held[0])} to ${formatNumber(held.at(-1))}, median ${formatNumber(middle(held))}.`
  );
}

function heatMap(
  partition: PagePartition,
  clients: readonly Client[],
  width: number,
): ReturnType<typeof Plot.plot> {
  const classes = partition.classes;
  const cells = clients.flatMap((client, rank) =>
    classes.map((name, k) => ({ rank, client, name, k, count: client.counts[k] ?? 0 })),
  );
  // Opacity of one colour instead of a colour scale: right on light and dark alike. The root lets small counts show.
  const opacity = (count: number): number =>
    count === 0 ? 0 : 0.12 + 0.88 * Math.sqrt(count / Math.max(1, partition.largest));
  const rowHeight = classes.length > 30 ? 10 : 17;
  return Plot.plot({
    className: 'plot',
    width,
    height: 44 + rowHeight * classes.length,
    marginLeft: 56,
    marginRight: 12,
    marginTop: 6,
    marginBottom: 36,
    x: { type: 'linear', domain: [0, clients.length], label: 'clients', labelArrow: 'none' },
    y: {
      type: 'linear',
      domain: [0, classes.length],
      reverse: true,
      label: null,
      ticks: classes.map((_, k) => k + 0.5).filter((_, k) => classes.length <= 30 || k % 5 === 0),
      tickSize: 0,
      tickFormat: (v: number) => classes[Math.floor(v)],
    },
    marks: [
      Plot.rect([0], { x1: 0, x2: clients.length, y1: 0, y2: classes.length, fill: 'var(--cell)' }),
      Plot.rect(
        cells.filter((cell) => cell.count > 0),
        {
          x1: 'rank',
          x2: (cell) => cell.rank + 1,
          y1: 'k',
          y2: (cell) => cell.k + 1,
          fill: 'var(--s1)',
          fillOpacity: (cell) => opacity(cell.count),
          insetRight: clients.length <= 150 ? 1 : 0,
          insetBottom: 1,
        },
      ),
      Plot.tip(
        cells,
        Plot.pointer({
          fontSize: 12,
          lineHeight: 1.35,
          x: (cell) => cell.rank + 0.5,
          y: (cell) => cell.k + 0.5,
          title: (cell) =>
            `client ${cell.client.id}, class ${cell.name}\n${cell.count} of ${cell.client.total} examples`,
        }),
      ),
    ],
    opacity: { type: 'identity' },
  });
}
