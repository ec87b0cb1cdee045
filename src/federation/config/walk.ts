import * as z from 'zod';
import { dottedPath } from '../../config/names.js';

/** The schema below defaults, optionals and transforms. */
export function core(schema: z.core.$ZodType): z.core.$ZodType {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault)
    return core(schema.def.innerType);
  if (schema instanceof z.ZodPipe) return core(schema.def.in);
  return schema;
}

/** The map of a union of names and a map that is told apart by a key, as of `reduce: ties` and `reduce: { type: ties }`. */
function mapMember(schema: z.core.$ZodType): z.core.$ZodType {
  if (!(schema instanceof z.ZodUnion) || schema instanceof z.ZodDiscriminatedUnion) return schema;
  return schema.def.options.find((option) => core(option) instanceof z.ZodDiscriminatedUnion) ?? schema;
}

/** Whether a name alone may stand for the map of a union that is told apart by a key. */
export function takesName(schema: z.core.$ZodType): boolean {
  const inner = core(schema);
  return mapMember(inner) !== inner;
}

/** The members of a union that is told apart by a key, with the value of that key. */
export function unionOptions(
  schema: z.core.$ZodType,
): { discriminator: string; options: Map<string, z.ZodObject> } | undefined {
  const inner = core(mapMember(core(schema)));
  if (!(inner instanceof z.ZodDiscriminatedUnion)) return undefined;
  const discriminator = inner.def.discriminator;
  const options = new Map<string, z.ZodObject>();
  for (const option of inner.def.options) {
    if (!(option instanceof z.ZodObject)) continue;
    const literal = option.shape[discriminator];
    if (literal instanceof z.ZodLiteral) options.set(String(literal.value), option);
  }
  return { discriminator, options };
}

/** The map schema that applies to `value`, or undefined if the schema is not of maps or the value chooses none. */
export function mapSchema(schema: z.core.$ZodType, value: unknown): z.ZodObject | undefined {
  const inner = core(schema);
  if (inner instanceof z.ZodObject) return inner;
  const union = unionOptions(inner);
  if (union === undefined || typeof value !== 'object' || value === null) return undefined;
  return union.options.get(String((value as Record<string, unknown>)[union.discriminator]));
}

/** The schema and the value at a path; both undefined where the path leaves the schema. */
export function schemaAt(
  root: z.core.$ZodType,
  rootValue: unknown,
  path: readonly PropertyKey[],
): { schema: z.core.$ZodType | undefined; value: unknown } {
  let schema: z.core.$ZodType | undefined = root;
  let value = rootValue;
  for (const part of path) {
    if (schema === undefined) break;
    const inner = core(schema);
    schema = inner instanceof z.ZodArray ? inner.element : mapSchema(inner, value)?.shape[String(part)];
    value =
      typeof value === 'object' && value !== null ? (value as Record<PropertyKey, unknown>)[part] : undefined;
  }
  return { schema, value };
}

/** The description of a schema, wrappers included. */
export function descriptionOf(schema: z.core.$ZodType | undefined): string | undefined {
  if (schema === undefined) return undefined;
  const own = z.globalRegistry.get(schema)?.description;
  if (own !== undefined) return own;
  const inner = core(schema);
  return inner === schema ? undefined : z.globalRegistry.get(inner)?.description;
}

/** Every key of a schema: name, and dotted kebab-case path (a list item is written `[]`). */
export function allKeys(
  schema: z.core.$ZodType,
  path: readonly string[] = [],
): { name: string; path: string }[] {
  const inner = core(schema);
  if (inner instanceof z.ZodArray) return allKeys(inner.element, path);
  const union = unionOptions(inner);
  const objects = union ? [...union.options.values()] : inner instanceof z.ZodObject ? [inner] : [];
  const keys = new Map<string, { name: string; path: string }>();
  for (const object of objects)
    for (const [name, child] of Object.entries(object.shape)) {
      const below = [...path, name];
      keys.set(dottedPath(below), { name, path: dottedPath(below) });
      for (const key of allKeys(child as z.core.$ZodType, below)) keys.set(key.path, key);
    }
  return [...keys.values()];
}
