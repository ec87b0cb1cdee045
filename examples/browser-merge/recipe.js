/** The form's values as a recipe, which gives the same bytes on the command line. */

/** A number, several as a gradient, or a truth value; undefined for a text that is none. */
export function parameterValue(text) {
  if (typeof text === 'boolean') return text;
  const numbers = text.split(/[,;\s]+/).filter((part) => part !== '');
  const values = numbers.map(Number);
  if (values.length === 0 || values.some((value) => !Number.isFinite(value))) return undefined;
  return values.length === 1 ? values[0] : values;
}

/**
 * @param choice.models - `{ name, parameters }` of each model that is merged, the base not among them where the method has one.
 * @returns text in the language of merge recipes. JSON values are YAML.
 */
export function recipeText({ method, base, models, parameters, outDtype }) {
  const lines = [`merge_method: ${method}`];
  if (base !== undefined) lines.push(`base_model: ${reference(base)}`);
  lines.push('models:');
  for (const { name, parameters: own } of models) {
    lines.push(`  - model: ${reference(name)}`);
    if (Object.keys(own).length > 0) lines.push(`    parameters: ${inline(own)}`);
  }
  if (Object.keys(parameters).length > 0) lines.push(`parameters: ${inline(parameters)}`);
  if (outDtype !== undefined) lines.push(`out_dtype: ${outDtype}`);
  return `${lines.join('\n')}\n`;
}

function inline(values) {
  const pairs = Object.entries(values).map(([key, value]) => `${key}: ${JSON.stringify(value)}`);
  return `{${pairs.join(', ')}}`;
}

/** A file's name, or that with a number where a file of the name is there already. */
export function recipeName(fileName, taken) {
  const [, stem, end = ''] = /^(.*?)(\.safetensors)?$/.exec(fileName);
  for (let n = 1; ; n++) {
    const name = `${stem}${n === 1 ? '' : `-${n}`}${end}`;
    if (!taken.includes(name)) return name;
  }
}

/** A model as a recipe names it; the short form gives `@` and `+` a meaning, and leaves out spaces at the ends. */
function reference(name) {
  const text = JSON.stringify(name);
  return /[@+]|^\s|\s$/.test(name) ? `{model: {path: ${text}}}` : text;
}
