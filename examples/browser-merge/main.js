/** The page: models, a method, a plan, a result. All reading and computing is done by the worker in merger.js. */
import { byId, complaint, make } from './dom.js';
import { bytes } from './format.js';
import { createMerger } from './merger-client.js';
import { methods } from './methods.js';
import { parameterValue, recipeName, recipeText } from './recipe.js';
import { modelItem, planView, resultView } from './views.js';

const kPlanDelayMs = 120;

/** `{ file, name, facts?, measured?, error? }` in the order in which they came. */
let models = [];
/** Model that others are measured against; `undefined`: none. */
let base;
/** What the person wrote into a field, by the field's key. */
const written = new Map();
let planned;
let planNumber = 0;
let planTimer;
let merging = false;
let download;

const merger = createMerger((error) => show('plan', complaint(error)));
const method = () => methods.find(({ name }) => name === byId('method').value);
const good = () => models.filter(({ error }) => !error);

// --- models

async function addFiles(files) {
  const added = [...files].map((file) => {
    const model = {
      file,
      name: recipeName(
        file.name,
        models.map(({ name }) => name),
      ),
    };
    models.push(model);
    return model;
  });
  refresh();
  await Promise.all(
    added.map(async (model) => {
      try {
        model.facts = await merger.run('inspect', { file: model.file });
      } catch (error) {
        model.error = error;
      }
    }),
  );
  refresh();
  for (const model of added) {
    if (model.error) continue;
    try {
      model.measured = await merger.run('measure', { file: model.file });
    } catch (error) {
      model.error = error;
    }
    showModels();
  }
}

function remove(model) {
  models = models.filter((other) => other !== model);
  if (base === model) base = undefined;
  refresh();
}

function showModels() {
  const current = method().base === 'none' ? undefined : base;
  show('models', ...models.map((model) => modelItem(model, model === current, () => remove(model))));
}

// --- the form

function fillMethods() {
  const groups = groupBy(methods);
  for (const [label, members] of groups)
    byId('method').append(
      make(
        'optgroup',
        { label },
        ...members.map(({ name, label: text }) => make('option', { value: name, textContent: text })),
      ),
    );
}

function groupBy(all) {
  const groups = new Map();
  for (const one of all) groups.set(one.group, [...(groups.get(one.group) ?? []), one]);
  return groups;
}

function refresh() {
  const { base: needs, about, random = false } = method();
  if (needs === 'required' && (!base || base.error)) base = good()[0];
  byId('base-field').hidden = needs === 'none';
  byId('seed-field').hidden = !random;
  const none = needs === 'optional' ? [make('option', { value: '', textContent: 'none' })] : [];
  const options = good().map(({ name }) => make('option', { value: name, textContent: name }));
  show('base', ...none, ...options);
  byId('base').value = base?.name ?? '';
  show('about', about);
  show('globals', ...method().global.map((field) => globalField(field)));
  show('per-model', perModelTable());
  document.body.dataset.state = models.length === 0 ? 'empty' : 'filled';
  showModels();
  planSoon();
}

const keyOf = (field, model) => `${method().name} ${field.name} ${model?.name ?? ''}`;
const entered = (field, model) => written.get(keyOf(field, model)) ?? field.value;

function input(field, model, label) {
  const key = keyOf(field, model);
  const isBox = typeof field.value === 'boolean';
  const element = make('input', {
    type: isBox ? 'checkbox' : 'text',
    ...(isBox ? { checked: entered(field, model) } : { value: entered(field, model), inputMode: 'decimal' }),
    ...(label && { ariaLabel: label }),
    autocomplete: 'off',
  });
  element.addEventListener('input', () => {
    written.set(key, isBox ? element.checked : element.value);
    const valid = isBox || parameterValue(element.value) !== undefined;
    element.setCustomValidity(valid ? '' : 'a number, or several with commas between');
    planSoon();
  });
  return element;
}

function globalField(field) {
  return typeof field.value === 'boolean'
    ? make('label', { className: 'box' }, input(field), field.label)
    : make('label', {}, field.label, input(field));
}

function mergedModels() {
  return good().filter((model) => method().base === 'none' || model !== base);
}

function perModelTable() {
  const fields = method().perModel;
  const rows = mergedModels();
  if (fields.length === 0 || rows.length === 0) return '';
  const header = make(
    'tr',
    {},
    make('th', { textContent: 'model' }),
    ...fields.map(({ label }) => make('th', { textContent: label })),
  );
  const body = rows.map((model) =>
    make(
      'tr',
      {},
      make('th', { scope: 'row', textContent: model.name.replace(/\.safetensors$/, '') }),
      ...fields.map((field) => make('td', {}, input(field, model, `${field.label} of ${model.name}`))),
    ),
  );
  return make('table', { className: 'values' }, make('thead', {}, header), make('tbody', {}, ...body));
}

/** The merge that the form describes, or what is missing. */
function readForm() {
  if (models.some(({ error }) => error)) return { missing: 'Remove the files that cannot be read.' };
  if (models.length < 2) return { missing: 'Add at least two models.' };
  if (models.some(({ facts }) => !facts)) return { missing: 'Reading the headers …' };
  const read = (fields, model) => fields.map((field) => [field.name, parameterValue(entered(field, model))]);
  const { name, perModel, global, base: needs, random } = method();
  const parameters = read(global);
  const listed = mergedModels().map((model) => ({ name: model.name, parameters: read(perModel, model) }));
  const all = [...parameters, ...listed.flatMap((one) => one.parameters)];
  const wrong = all.find(([, value]) => value === undefined);
  if (wrong) return { missing: `Give ${wrong[0]} a number, or several with commas between.` };
  if (random && !/^\d+$/.test(byId('seed').value)) return { missing: 'Give the seed as a whole number.' };
  const baseName = needs === 'none' ? undefined : base?.name;
  return {
    recipe: recipeText({
      method: name,
      base: baseName,
      models: listed.map((one) => ({ ...one, parameters: Object.fromEntries(one.parameters) })),
      parameters: Object.fromEntries(parameters),
      outDtype: byId('dtype').value || undefined,
    }),
    files: Object.fromEntries(models.map((model) => [model.name, model.file])),
    options: { seed: random ? byId('seed').value : '0', rawTensors: byId('lacking').value },
    reference: baseName ?? listed[0].name,
    renamed: models.filter((model) => model.name !== model.file.name),
    method: name,
  };
}

// --- plan and merge

function planSoon() {
  clearTimeout(planTimer);
  planned = undefined;
  document.body.dataset.plan = 'waiting';
  byId('merge').disabled = true;
  planNumber++;
  planTimer = setTimeout(planNow, kPlanDelayMs);
}

async function planNow() {
  const mine = planNumber;
  const form = readForm();
  document.body.dataset.plan = 'none';
  if (form.missing) {
    show('plan', make('p', { className: 'muted', textContent: form.missing }));
    return;
  }
  try {
    const { plan } = await merger.run('plan', form);
    if (mine !== planNumber) return;
    planned = form;
    show('plan', ...planView(plan));
    byId('merge').disabled = merging;
    document.body.dataset.plan = 'ready';
  } catch (error) {
    if (mine !== planNumber) return;
    show('plan', complaint(error));
    document.body.dataset.plan = 'refused';
  }
}

async function mergeNow() {
  const form = planned;
  setMerging(true);
  byId('result-card').hidden = true;
  const began = performance.now();
  byId('bar').value = 0;
  show('progress-text', 'Starting …');
  try {
    const { model, summary, sha256 } = await merger.run('merge', form, (progress) =>
      showProgress(progress, began),
    );
    URL.revokeObjectURL(download);
    download = URL.createObjectURL(new Blob([model], { type: 'application/octet-stream' }));
    const { seed, rawTensors } = form.options;
    const flags = `${seed === '0' ? '' : ` --seed ${seed}`}${rawTensors === 'error' ? '' : ` --raw-tensors ${rawTensors}`}`;
    const fileName = `merged-${form.method.replaceAll('_', '-')}.safetensors`;
    show('result', ...resultView({ ...form, url: download, fileName, summary, sha256, flags }));
    byId('result-card').hidden = false;
    byId('result-card').scrollIntoView({ behavior: 'smooth', block: 'start' });
    document.body.dataset.merge = 'done';
  } catch (error) {
    show('plan', error.stopped ? make('p', { textContent: 'Stopped; nothing was made.' }) : complaint(error));
    document.body.dataset.merge = error.stopped ? 'stopped' : 'failed';
  } finally {
    setMerging(false);
  }
}

function showProgress({ tensorsDone, tensors, bytesDone, bytes: all, bytesRead }, began) {
  byId('bar').value = all === 0 ? 1 : bytesDone / all;
  const seconds = (performance.now() - began) / 1000;
  const left =
    bytesDone > 0 && seconds > 1 ? Math.ceil((seconds * (all - bytesDone)) / bytesDone) : undefined;
  const parts = [
    `${tensorsDone} of ${tensors} tensors`,
    `${bytes(bytesRead)} read, ${bytes(bytesRead / seconds)} a second`,
    ...(left === undefined ? [] : [`about ${left} s left`]),
  ];
  show('progress-text', parts.join(' · '));
}

function setMerging(is) {
  merging = is;
  document.body.dataset.merge = is ? 'running' : document.body.dataset.merge;
  byId('merge').disabled = is || !planned;
  byId('stop').hidden = !is;
  byId('progress').hidden = !is;
}

function show(id, ...content) {
  byId(id).replaceChildren(...content);
}

// --- what a person does

byId('files').addEventListener('change', ({ target }) => {
  addFiles(target.files);
  target.value = '';
});
byId('samples').addEventListener('click', async () => {
  const { files } = await merger.run('samples', {});
  addFiles(files);
});
for (const type of ['dragenter', 'dragover', 'dragleave', 'drop'])
  document.addEventListener(type, (event) => {
    if (!event.dataTransfer?.types.includes('Files')) return;
    event.preventDefault();
    byId('drop').classList.toggle('over', type === 'dragenter' || type === 'dragover');
    if (type === 'drop') addFiles(event.dataTransfer.files);
  });
byId('method').addEventListener('change', refresh);
byId('base').addEventListener('change', ({ target }) => {
  base = models.find(({ name }) => name === target.value);
  refresh();
});
for (const id of ['dtype', 'lacking', 'seed']) byId(id).addEventListener('input', planSoon);
byId('choice').addEventListener('submit', (event) => event.preventDefault());
byId('merge').addEventListener('click', mergeNow);
byId('stop').addEventListener('click', () => merger.stop());

fillMethods();
refresh();
