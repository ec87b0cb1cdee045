/** What the page shows of models, plans and results. */
import { complaint, make } from './dom.js';
import { bytes, count, counted, number, percent } from './format.js';

/** Layers named in the chart. */
const kMostChanged = 12;

/** @param model - `{ name, facts?, measured?, error? }`; facts come when they are known. */
export function modelItem(model, isBase, onRemove) {
  const { name, facts, measured, error } = model;
  const remove = make('button', {
    type: 'button',
    className: 'remove',
    textContent: '×',
    aria: { label: `Remove ${name}` },
    onclick: onRemove,
  });
  const badge = isBase ? make('span', { className: 'badge', textContent: 'base' }) : undefined;
  const title = make('p', { className: 'title' }, make('b', { textContent: name }), badge ?? '', remove);
  if (error) return make('li', { className: 'bad', data: { model: name } }, title, complaint(error));
  if (!facts)
    return make(
      'li',
      { data: { model: name } },
      title,
      make('p', { className: 'facts', textContent: 'Reading …' }),
    );
  const parts = [
    counted(facts.tensors, 'tensor'),
    `${count(facts.parameters)} parameters`,
    facts.dtypes.join(', '),
    bytes(facts.bytes),
    measured ? `norm ${number(measured.norm)}` : 'measuring …',
  ];
  const item = make(
    'li',
    { data: { model: name } },
    title,
    make('p', { className: 'facts', textContent: parts.join(' · ') }),
  );
  if (measured?.nonFinite > 0)
    item.append(
      make('p', {
        className: 'warning',
        textContent: `${counted(measured.nonFinite, 'value')} not finite: such a model cannot be merged.`,
      }),
    );
  return item;
}

export function planView(plan) {
  const read = plan.tensors.length === 0 ? 0 : Math.max(...plan.tensors.map(({ passes }) => passes));
  const sentence = `${counted(plan.tensors.length, 'tensor')} with ${count(plan.parameters)} parameters from ${counted(
    plan.models.length,
    'model',
  )}, read ${read === 1 ? 'once' : read === 2 ? 'twice' : `${read} times`}: ${bytes(plan.bytesRead)} to read, ${bytes(
    plan.bytesWritten,
  )} to make.`;
  const warnings = plan.warnings.map((text) => make('p', { className: 'warning', textContent: text }));
  return [make('p', { textContent: sentence }), ...warnings, planTable(plan.tensors)];
}

/** Tensors that differ only in their layer share a row. */
function planTable(tensors) {
  const rows = new Map();
  for (const { name, shape, dtype, method, inputs } of tensors) {
    const pattern = name.replace(/\.\d+\./, '.*.');
    const key = [pattern, shape, dtype, method, inputs.length].join(' ');
    const row = rows.get(key) ?? {
      pattern,
      name,
      count: 0,
      shape: shape.join(' × ') || 'scalar',
      dtype,
      method,
    };
    row.count++;
    rows.set(key, row);
  }
  const header = make(
    'tr',
    {},
    ...['tensor', 'count', 'shape', 'type', 'method'].map((textContent) => make('th', { textContent })),
  );
  const body = [...rows.values()].map((row) => {
    const cells = [row.count === 1 ? row.name : row.pattern, row.count, row.shape, row.dtype, row.method];
    return make('tr', {}, ...cells.map((text) => make('td', { textContent: String(text) })));
  });
  return make(
    'details',
    {},
    make('summary', { textContent: 'Tensors' }),
    make(
      'div',
      { className: 'scroll' },
      make('table', {}, make('thead', {}, header), make('tbody', {}, ...body)),
    ),
  );
}

/**
 * @param merged.url - of the merged file, for the download.
 * @param merged.reference - the model that changes are measured against.
 * @param merged.renamed - models that have another name here than their file, as two of one name.
 * @param merged.flags - what the command line has to be told besides the recipe.
 */
export function resultView({ url, fileName, summary, sha256, recipe, reference, renamed, flags }) {
  const download = make('a', {
    className: 'button primary',
    id: 'download',
    href: url,
    download: fileName,
    textContent: `Download ${fileName} (${bytes(summary.bytes)})`,
  });
  const facts = [
    ['Parameters', count(summary.parameters)],
    ['Time', `${summary.seconds.toFixed(2)} s`],
    ['Parameters a second', count(summary.parametersPerSecond)],
    ['SHA-256', sha256, 'wide mono', 'sha256'],
  ];
  const tiles = make(
    'dl',
    { className: 'tiles' },
    ...facts.map(([name, value, kind = '', id]) =>
      make(
        'div',
        { className: kind },
        make('dt', { textContent: name }),
        make('dd', { textContent: value, ...(id && { id }) }),
      ),
    ),
  );
  const warnings = summary.warnings.map((text) => make('p', { className: 'warning', textContent: text }));
  return [
    make('div', { className: 'buttons' }, download),
    tiles,
    ...warnings,
    changes(summary.layers, reference),
    make('h3', { textContent: 'The same bytes on the command line' }),
    make('p', { textContent: 'Save this as recipe.yml beside the models, then run the command below it.' }),
    ...renamed.map(({ name, file }) =>
      make('p', { textContent: `Another file has the name ${file.name}; call this one ${name}.` }),
    ),
    make('pre', {}, make('code', { id: 'recipe', textContent: recipe })),
    make('pre', {}, make('code', { textContent: `npx heddle merge recipe.yml merged${flags}` })),
  ];
}

/** The layers that moved most, as bars. */
function changes(layers, reference) {
  const most = layers.toSorted((a, b) => b.relativeChange - a.relativeChange).slice(0, kMostChanged);
  const largest = most[0]?.relativeChange ?? 0;
  if (!(largest > 0)) return make('p', { textContent: `No weight differs from ${reference}.` });
  const rows = most.map(({ layer, relativeChange }) => {
    const bar = make('span', { className: 'bar' });
    bar.style.width = `${(100 * relativeChange) / largest}%`;
    return make(
      'li',
      {},
      make('span', { className: 'name', textContent: layer }),
      make('span', { className: 'track' }, bar),
      make('span', { className: 'value', textContent: percent(relativeChange) }),
    );
  });
  const title = make('h3', { textContent: 'What changed most' });
  const note = make('p', {
    textContent: `Length of the change over the length of the weights of ${reference}, by layer${
      layers.length > most.length ? `; the first ${most.length} of ${layers.length}` : ''
    }.`,
  });
  return make('div', {}, title, note, make('ol', { className: 'changes' }, ...rows));
}
