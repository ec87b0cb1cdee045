/** A line of accuracy by round, drawn as SVG: no library, redrawn when its box changes. */

const kSvg = 'http://www.w3.org/2000/svg';
const kMargin = { top: 14, right: 16, bottom: 30, left: 46 };
const kHeight = 280;

/** @param {HTMLElement} box - takes the drawing; @param {number} target - accuracy in [0, 1] that is marked. */
export function createChart(box, target) {
  let accuracies = [];
  let rounds = 1;
  let width = 0;

  const draw = () => {
    if (width === 0) return;
    const x = (round) => kMargin.left + ((width - kMargin.left - kMargin.right) * round) / rounds;
    const y = (accuracy) => kMargin.top + (kHeight - kMargin.top - kMargin.bottom) * (1 - accuracy);
    const svg = element('svg', { viewBox: `0 0 ${width} ${kHeight}`, width, height: kHeight, role: 'img' });
    svg.setAttribute('aria-label', describe(accuracies, rounds));

    for (const share of [0, 0.25, 0.5, 0.75, 1]) {
      svg.append(element('line', { class: 'grid', x1: x(0), x2: x(rounds), y1: y(share), y2: y(share) }));
      svg.append(
        text(`${share * 100} %`, { class: 'tick', x: x(0) - 8, y: y(share) + 4, 'text-anchor': 'end' }),
      );
    }
    for (const round of ticks(rounds, width < 480 ? 4 : 8).slice(1))
      svg.append(
        text(String(round), { class: 'tick', x: x(round), y: kHeight - 10, 'text-anchor': 'middle' }),
      );
    svg.append(text('round', { class: 'tick', x: x(0) - 8, y: kHeight - 10, 'text-anchor': 'end' }));

    svg.append(
      element('line', { class: 'target', x1: x(0), x2: x(rounds), y1: y(target), y2: y(target) }),
      text(`target ${target * 100} %`, { class: 'target-name', x: x(0) + 6, y: y(target) - 5 }),
    );

    const points = accuracies.map((accuracy, i) => `${x(i + 1).toFixed(1)},${y(accuracy).toFixed(1)}`);
    if (points.length > 0) {
      const area = [`${x(1)},${y(0)}`, ...points, `${x(points.length)},${y(0)}`].join(' ');
      const [lastX, lastY] = points[points.length - 1].split(',');
      svg.append(
        element('polygon', { class: 'area', points: area }),
        element('polyline', { class: 'curve', points: points.join(' ') }),
        element('circle', { class: 'dot', cx: lastX, cy: lastY, r: 4.5 }),
      );
    }
    box.replaceChildren(svg);
  };

  new ResizeObserver(([{ contentRect }]) => {
    width = Math.round(contentRect.width);
    draw();
  }).observe(box);

  return {
    /** Empties the chart for a run of `planned` rounds. */
    start(planned) {
      rounds = planned;
      accuracies = [];
      draw();
    },
    /** Adds the next round's accuracy, in [0, 1]. */
    add(accuracy) {
      accuracies.push(accuracy);
      draw();
    },
  };
}

function describe(accuracies, rounds) {
  if (accuracies.length === 0) return 'Test accuracy by round: nothing yet';
  const percent = (accuracies[accuracies.length - 1] * 100).toFixed(1);
  return `Test accuracy by round: ${percent} % after ${accuracies.length} of ${rounds} rounds`;
}

/** Whole numbers from 0 to `end`, at most about `wanted` of them, in steps of 1, 2, 5, 10 ... */
function ticks(end, wanted) {
  let step = 1;
  for (let i = 0; end / step > wanted; i++) step *= i % 3 === 1 ? 2.5 : 2;
  return Array.from({ length: Math.floor(end / step) + 1 }, (_, i) => i * step);
}

function element(name, attributes) {
  const made = document.createElementNS(kSvg, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value));
  return made;
}

function text(content, attributes) {
  const made = element('text', attributes);
  made.textContent = content;
  return made;
}
