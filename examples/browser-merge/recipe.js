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
  if (base !== undefined) lines.push(`base_model: ${JSON.stringify(base)}`);
  lines.push('models:');
  for (const { name, parameters: own } of models) {
    lines.push(`  - model: ${JSON.stringify(name)}`);
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

/** A name for a file that a recipe can hold without quirks, and that none of `taken` has. */
export function recipeName(fileName, taken) {
  const plain = fileName.replace(/[^\w.-]+/g, '-');
  const [, stem, end] = /^(.*?)(\.safetensors)?$/.exec(plain);
  for (let n = 1; ; n++) {
    const name = `${stem || 'model'}${n === 1 ? '' : `-${n}`}${end ?? ''}`;
    if (!taken.includes(name)) return name;
  }
}
