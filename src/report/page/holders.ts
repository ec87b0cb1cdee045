import * as Plot from '@observablehq/plot';
import { formatNumber } from '../format.js';
import type { HolderMap } from '../report-data.js';
import type { PanelOptions } from './panel.js';

/** More bars than this are narrower than a pixel: neighbouring neurons are averaged. */
const MAX_BARS = 400;

/** How many clients held each neuron: the mean of the run as bars, the round under the cursor as marks. */
export function holderPanel(maps: readonly HolderMap[]): PanelOptions {
  const means = maps.map(({ counts }) =>
    counts[0].map((_, j) => counts.reduce((sum, row) => sum + row[j], 0) / counts.length),
  );
  const rowAt = (map: HolderMap, round: number): readonly number[] => {
    let i = map.rounds.length - 1;
    while (i > 0 && map.rounds[i] > round) i--;
    return map.counts[i];
  };
  const least = maps
    .map((map, g) => {
      const neuron = means[g].indexOf(Math.min(...means[g]));
      return `${map.group} neuron ${neuron} with ${formatNumber(means[g][neuron])}`;
    })
    .join(', ');
  return {
    title: 'FisherDropout: holders by neuron',
    description: `Mean number of clients of a cohort that held each neuron; least held: ${least}`,
    followsCursor: true,
    legend: [
      { label: 'mean of the run', swatch: 's1', read: () => '' },
      { label: 'this round', swatch: 's2', read: () => '' },
      { label: `least held: ${least}`, swatch: '', read: () => '' },
    ],
    draw(width, round) {
      const bars = maps.flatMap((map, g) => bin(means[g]).map((bar) => ({ ...bar, group: map.group })));
      const now = maps.flatMap((map) => bin(rowAt(map, round)).map((bar) => ({ ...bar, group: map.group })));
      return Plot.plot({
        className: 'plot',
        width,
        height: Math.max(210, 26 + 92 * maps.length),
        marginLeft: 56,
        marginRight: 12,
        marginTop: 10,
        marginBottom: 34,
        x: { label: 'neuron', labelArrow: 'none', ticks: Math.min(8, width / 70) },
        y: { label: null, grid: true, ticks: 3 },
        fy: { label: null, padding: 0.22, axis: null, domain: maps.map((map) => map.group) },
        marks: [
          Plot.rectY(bars, {
            x1: 'from',
            x2: 'to',
            y: 'value',
            fy: 'group',
            fill: 'var(--s1)',
            fillOpacity: 0.55,
          }),
          Plot.ruleY(now, {
            x1: 'from',
            x2: 'to',
            y: 'value',
            fy: 'group',
            stroke: 'var(--s2)',
            strokeWidth: 1.5,
          }),
          Plot.text(
            maps.map((map) => map.group),
            {
              fy: (d: string) => d,
              text: (d: string) => d,
              frameAnchor: 'top-right',
              dy: -9,
              fill: 'currentColor',
            },
          ),
        ],
      });
    },
  };
}

function bin(values: readonly number[]): { from: number; to: number; value: number }[] {
  const size = Math.ceil(values.length / MAX_BARS);
  return Array.from({ length: Math.ceil(values.length / size) }, (_, i) => {
    const part = values.slice(i * size, (i + 1) * size);
    return {
      from: i * size,
      to: i * size + part.length,
      value: part.reduce((a, b) => a + b, 0) / part.length,
    };
  });
}
