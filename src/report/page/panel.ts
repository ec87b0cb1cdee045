import type * as Plot from '@observablehq/plot';
import type { Cursor } from './cursor.js';

/** One entry of a panel's legend; `read` gives its value at a round. */
export interface LegendEntry {
  label: string;
  /** A style class that sets the colour, `s1` to `s6`, `rule` or none. */
  swatch: string;
  read(round: number): string;
}

export interface PanelOptions {
  title: string;
  /** What the plot shows, for those who do not see it. */
  description: string;
  legend: readonly LegendEntry[];
  /** Draws at a width in pixels; drawn again when the width changes, or the round when `followsCursor`. */
  draw(width: number, round: number): ReturnType<typeof Plot.plot>;
  /** True when the x axis is not rounds and the drawing itself depends on the cursor. */
  followsCursor?: boolean;
}

/** Narrower than this the margins leave no room to draw in; the drawing is scaled down instead. */
export const MIN_WIDTH = 200;

const SVG = 'http://www.w3.org/2000/svg';

/** A titled plot with a legend that reads out the values under the cursor. */
export function createPanel(options: PanelOptions, cursor: Cursor): HTMLElement {
  const figure = document.createElement('figure');
  figure.className = 'panel';
  const caption = document.createElement('figcaption');
  const title = document.createElement('h3');
  title.textContent = options.title;
  const legend = document.createElement('ul');
  legend.className = 'legend';
  const outputs = options.legend.map((entry) => legendItem(legend, entry));
  caption.append(title, legend);
  const plotBox = document.createElement('div');
  plotBox.className = 'plot-box';
  figure.append(caption, plotBox);

  let moveLine: ((round: number) => void) | undefined;
  let drawnWidth = 0;
  const draw = (width: number): void => {
    drawnWidth = width;
    const plot = withoutInlineStyle(options.draw(width, cursor.round));
    plot.setAttribute('role', 'img');
    plot.setAttribute('aria-label', `${options.title}. ${options.description}`);
    plotBox.replaceChildren(plot);
    moveLine = options.followsCursor ? undefined : linkCursor(plot, cursor);
    moveLine?.(cursor.round);
  };
  new ResizeObserver(([entry]) => {
    const width = Math.max(MIN_WIDTH, Math.round(entry.contentRect.width));
    if (entry.contentRect.width > 0 && width !== drawnWidth) draw(width);
  }).observe(plotBox);
  cursor.watch((round) => {
    options.legend.forEach((entry, i) => {
      outputs[i].textContent = entry.read(round);
    });
    if (options.followsCursor && drawnWidth > 0) draw(drawnWidth);
    else moveLine?.(round);
  });
  return figure;
}

function legendItem(list: HTMLElement, { label, swatch }: LegendEntry): HTMLElement {
  const item = document.createElement('li');
  const mark = document.createElement('i');
  mark.className = `swatch ${swatch}`;
  const value = document.createElement('b');
  item.append(mark, `${label} `, value);
  list.append(item);
  return value;
}

/** Plot brings a style element of its own, which the content policy refuses; page.css has its two rules. */
export function withoutInlineStyle<T extends Element>(plot: T): T {
  plot.querySelectorAll('style').forEach((style) => {
    style.remove();
  });
  return plot;
}

/** Lets the pointer set the cursor, and returns what moves the plot's line to a round. */
function linkCursor(plot: ReturnType<typeof Plot.plot>, cursor: Cursor): (round: number) => void {
  const x = plot.scale('x');
  const y = plot.scale('y');
  const range = (y?.range ?? [0, 0]) as number[];
  const line = document.createElementNS(SVG, 'line');
  line.setAttribute('class', 'cursor-line');
  line.setAttribute('y1', String(Math.min(...range)));
  line.setAttribute('y2', String(Math.max(...range)));
  plot.append(line);
  plot.addEventListener('pointermove', (event) => {
    if (!(event instanceof PointerEvent)) return;
    const box = plot.getBoundingClientRect();
    const scale = Number(plot.getAttribute('width')) / box.width;
    const round = x?.invert?.((event.clientX - box.left) * scale);
    if (typeof round === 'number') cursor.set(round);
  });
  return (round) => {
    const at = String(x?.apply(round));
    line.setAttribute('x1', at);
    line.setAttribute('x2', at);
  };
}
