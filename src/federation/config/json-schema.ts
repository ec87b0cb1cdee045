import * as z from 'zod';
import { toKebab } from '../../config/names.js';
import { configSchema } from './schema.js';

type JsonSchema = Record<string, unknown>;

/**
 * The JSON Schema (draft 2020-12) of configuration files, for editors: kebab-case keys, descriptions, defaults.
 * What only TypeScript code can pass is left out. `model` is not required, because a task brings its own.
 */
export function configJsonSchema(): JsonSchema {
  const generated = z.toJSONSchema(configSchema, { io: 'input', unrepresentable: 'any' }) as JsonSchema;
  const { $schema, properties, required: _, ...rest } = rewritten(generated) as JsonSchema;
  const link = { type: 'string', description: 'path of this JSON Schema, for editors' };
  return {
    $schema,
    title: 'heddle simulate',
    ...rest,
    properties: { $schema: link, ...(properties as JsonSchema) },
  };
}

/** Renames keys to kebab-case and drops the `custom` members, which stand for objects. */
function rewritten(node: unknown): unknown {
  if (Array.isArray(node)) return node.filter((item) => !isCustom(item)).map(rewritten);
  if (typeof node !== 'object' || node === null) return node;
  const out: JsonSchema = {};
  for (const [key, value] of Object.entries(node)) {
    if (key === 'properties') {
      const kept = Object.entries(value as JsonSchema).filter(
        ([name, child]) => name !== 'custom' && !isForCode(child),
      );
      out.properties = Object.fromEntries(kept.map(([name, child]) => [toKebab(name), rewritten(child)]));
    } else if (key === 'required') out.required = (value as string[]).map(toKebab);
    else if (key === 'enum') out.enum = (value as unknown[]).filter((item) => item !== 'custom');
    // A section's default is the empty map that its keys' defaults fill: nothing for an editor to insert.
    else if (key === 'default' && isEmptyMap(value)) continue;
    else if (key === 'default') out.default = value;
    else out[key] = rewritten(value);
  }
  return out;
}

function isForCode(property: unknown): boolean {
  const description = (property as { description?: unknown }).description;
  return typeof description === 'string' && description.includes('in TypeScript');
}

function isEmptyMap(value: unknown): boolean {
  return (
    typeof value === 'object' && value !== null && !Array.isArray(value) && Object.keys(value).length === 0
  );
}

function isCustom(option: unknown): boolean {
  const properties = (option as { properties?: Record<string, { const?: unknown }> } | null)?.properties;
  return (
    properties !== undefined && (properties.type?.const === 'custom' || properties.format?.const === 'custom')
  );
}
