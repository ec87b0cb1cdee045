import type * as z from 'zod';
import type { ConfigProblem, Origin } from '../../config/errors.js';
import { dottedPath, nearest, toCamel, toKebab } from '../../config/names.js';
import { type ConfigNode, nodeAt, originAt, type Path } from '../../config/tree.js';
import { describe } from '../../errors.js';
import { configSchema } from './schema.js';
import { allKeys, descriptionOf, mapSchema, schemaAt, takesName, unionOptions } from './walk.js';

/** Turns what the schema refused into problems with a place in the file and a way to mend each. */
export function problemsFromIssues(
  issues: readonly z.core.$ZodIssue[],
  tree: ConfigNode,
  plain: unknown,
): ConfigProblem[] {
  const withUnknownKeys = new Set(
    issues.filter((issue) => issue.code === 'unrecognized_keys').map((issue) => dottedPath(issue.path)),
  );
  return issues.flatMap((issue) => {
    // A stage with a misspelt name is also a stage without a name; one message is enough.
    if (issue.code === 'custom' && withUnknownKeys.has(dottedPath(issue.path))) return [];
    if (issue.code === 'unrecognized_keys')
      return issue.keys.map((key) => unknownKey(issue.path, key, tree, plain));
    // Without a valid task there is no default model; the task (or its absence) is what to mend.
    if (isMissingModel(issue, plain))
      return nodeAt(tree, ['data', 'source']) === undefined ? missingTask(tree) : [missingModel(tree)];
    return [valueProblem(issue, tree, plain)];
  });
}

function isMissingModel(issue: z.core.$ZodIssue, plain: unknown): boolean {
  return (
    issue.path.length === 1 && issue.path[0] === 'model' && (plain as { model?: unknown }).model === undefined
  );
}

function missingTask(tree: ConfigNode): ConfigProblem[] {
  if (nodeAt(tree, ['data', 'task']) !== undefined) return [];
  return [
    {
      ...originAt(tree, ['data']),
      path: 'data',
      message: 'names neither a task nor a source',
      hint: 'set data.task, as mnist-2nn, or describe data.source and a model',
    },
  ];
}

function missingModel(tree: ConfigNode): ConfigProblem {
  return {
    ...originAt(tree, ['data', 'source']),
    path: 'model',
    message: 'is missing: data.source brings no model of its own, as a task does',
    hint: 'describe it, as `model: { type: mlp, layers: [784, 200, 10] }`',
  };
}

function unknownKey(path: PropertyKey[], key: string, tree: ConfigNode, plain: unknown): ConfigProblem {
  const full = [...path, key];
  const written = writtenKey(tree, path, key);
  const { schema, value } = schemaAt(configSchema, plain, path);
  const here = schema === undefined ? undefined : mapSchema(schema, value);
  const valid = Object.keys(here?.shape ?? {}).filter((name) => name !== 'custom');
  const near = nearest(toCamel(written), valid);
  const place = dottedPath(path);
  const problem = { ...originAt(tree, full), path: dottedPath(full) };

  const union = schema === undefined ? undefined : unionOptions(schema);
  const owner = [...(union?.options ?? [])].find(([, option]) => key in option.shape)?.[0];
  if (union !== undefined && owner !== undefined) {
    const chosen = String((value as Record<string, unknown>)[union.discriminator]);
    return {
      ...problem,
      message: `is a key of ${union.discriminator} ${owner}, but ${union.discriminator} is ${chosen}`,
      hint: `remove ${toKebab(key)}, or set ${place}.${union.discriminator} to ${owner}`,
    };
  }
  if (near !== undefined)
    return { ...problem, message: 'is not a known key', hint: `did you mean "${toKebab(near)}"?` };
  const elsewhere = allKeys(configSchema).find((candidate) => candidate.name === key);
  if (elsewhere !== undefined)
    return { ...problem, message: 'is not a known key here', hint: `did you mean "${elsewhere.path}"?` };
  return {
    ...problem,
    message: 'is not a known key',
    hint: `the keys ${place === '' ? 'at the top' : `of ${place}`} are ${valid.map(toKebab).join(', ')}`,
  };
}

function writtenKey(tree: ConfigNode, path: PropertyKey[], key: string): string {
  const node = nodeAt(tree, path as Path);
  return (node?.kind === 'map' ? node.entries.get(key)?.key : undefined) ?? key;
}

function valueProblem(issue: z.core.$ZodIssue, tree: ConfigNode, plain: unknown): ConfigProblem {
  const { schema, value } = schemaAt(configSchema, plain, issue.path);
  const path = dottedPath(issue.path);
  const origin: Origin = originAt(tree, issue.path);
  const meaning = descriptionOf(schema);
  const key = path === '' ? 'the configuration' : path;
  const hint = meaning === undefined ? `give ${key} another value` : `give ${key} as described: ${meaning}`;
  const problem = { ...origin, path };
  const received = value === undefined ? 'is missing' : value === null ? 'is empty' : `is ${show(value)}`;

  switch (issue.code) {
    case 'custom': {
      const own: unknown = issue.params?.hint;
      return { ...problem, message: issue.message, hint: typeof own === 'string' ? own : hint };
    }
    case 'invalid_value':
      return choiceProblem(problem, issue.values.map(String), value, received, hint);
    case 'invalid_union':
      return (
        unionProblem(issue.path, tree, plain) ?? {
          ...problem,
          message: `${received}, which is not accepted`,
          hint,
        }
      );
    case 'too_small':
    case 'too_big': {
      const low = issue.code === 'too_small';
      const bound = Number(low ? issue.minimum : issue.maximum);
      const size = issue.origin === 'array' || issue.origin === 'string' ? 'have a length of ' : 'be ';
      const relation = issue.inclusive ? (low ? 'at least' : 'at most') : low ? 'above' : 'below';
      return { ...problem, message: `${received} but must ${size}${relation} ${bound}`, hint };
    }
    case 'invalid_type': {
      if (value === undefined || value === null) return { ...problem, message: received, hint };
      const expected = EXPECTED[issue.expected] ?? issue.expected;
      return { ...problem, message: `${received} but must be ${expected}`, hint };
    }
    default:
      return { ...problem, message: `${received}, which is not accepted`, hint };
  }
}

/** A map whose telling key (`type`, `format`) is missing or names none of the members. */
function unionProblem(path: PropertyKey[], tree: ConfigNode, plain: unknown): ConfigProblem | undefined {
  // The schema reports a wrong telling key at that key itself, a missing one sometimes at the map.
  for (const mapPath of [path, path.slice(0, -1)]) {
    const { schema, value } = schemaAt(configSchema, plain, mapPath);
    const union = schema === undefined ? undefined : unionOptions(schema);
    if (schema === undefined || union === undefined) continue;
    const known = [...union.options.keys()].filter((name) => name !== 'custom');
    if (typeof value !== 'object' || value === null) {
      if (!takesName(schema) || value === undefined || value === null) return undefined;
      const whole = { ...originAt(tree, mapPath), path: dottedPath(mapPath) };
      return choiceProblem(
        whole,
        known,
        value,
        `is ${show(value)}`,
        `set ${whole.path} to ${known[0]}, for example`,
      );
    }
    const telling = [...mapPath, union.discriminator];
    const chosen = (value as Record<string, unknown>)[union.discriminator];
    const place = { ...originAt(tree, telling), path: dottedPath(telling) };
    const received = chosen === undefined ? 'is missing' : `is ${show(chosen)}`;
    return choiceProblem(place, known, chosen, received, `set ${place.path} to ${known[0]}, for example`);
  }
  return undefined;
}

const EXPECTED: Readonly<Record<string, string>> = {
  int: 'a whole number',
  number: 'a number',
  string: 'text',
  boolean: 'true or false',
  array: 'a list',
  object: 'a map of keys',
};

function choiceProblem(
  place: Origin & { path: string },
  choices: readonly string[],
  value: unknown,
  received: string,
  hint: string,
): ConfigProblem {
  const offered = choices.filter((choice) => choice !== 'custom');
  const near = typeof value === 'string' ? nearest(value, offered) : undefined;
  const single = offered.length === 1 ? `must be ${offered[0]}` : `must be one of ${offered.join(', ')}`;
  return {
    ...place,
    message: `${received} but ${single}`,
    hint: near === undefined ? hint : `did you mean "${near}"?`,
  };
}

function show(value: unknown): string {
  if (Array.isArray(value)) return value.length <= 8 ? JSON.stringify(value) : `a list of ${value.length}`;
  if (typeof value === 'object' && value !== null) return 'a map of keys';
  return describe(value);
}
