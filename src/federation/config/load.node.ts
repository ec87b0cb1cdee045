import { readFile, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { ConfigError } from '../../config/errors.js';
import { type ConfigNode, nodeAt, originAt, type Path, withNode } from '../../config/tree.js';
import { MAX_CONFIG_LENGTH } from '../../config/yaml.js';
import { isAssignment, type Override, parseAssignments } from './overrides.js';
import { type ConfigLayer, type ResolvedConfig, readLayer, resolveLayer, resolveTask } from './resolve.js';
import { TASK_NAMES } from './schema.js';

/** Keys whose values are paths, relative to the file that holds them. */
const PATH_KEYS: readonly Path[] = [
  ['run', 'dir'],
  ['data', 'root'],
  ['data', 'source', 'images'],
  ['data', 'source', 'labels'],
  ['data', 'source', 'testImages'],
  ['data', 'source', 'testLabels'],
  ['client', 'trainer'],
  ['model', 'path'],
];

/**
 * Resolves what the command line names: a configuration file or a bare task such as `mnist-2nn`, with the arguments
 * of `-c` in order. Paths in a file come back absolute; paths in `-c path=value` stay relative to the working folder.
 *
 * @param overrides - each is one or more `path=value`, or the path of a YAML or JSON fragment.
 * @throws {ConfigError} with all problems found, or if a file cannot be read.
 */
export async function loadConfig(
  configOrTask: string,
  overrides: readonly string[] = [],
): Promise<ResolvedConfig> {
  const isTask = TASK_NAMES.some((name) => name === configOrTask);
  const layer = isTask ? undefined : await loadLayer(configOrTask);
  const changes: Override[] = [];
  for (const argument of overrides) {
    if (isAssignment(argument)) changes.push(...parseAssignments(argument));
    else {
      const fragment = await loadLayer(argument);
      if (fragment.problems.length > 0) throw new ConfigError(fragment.problems);
      layer?.notes.push(...fragment.notes);
      changes.push({ kind: 'tree', tree: fragment.tree });
    }
  }
  return layer === undefined ? resolveTask(configOrTask, changes) : resolveLayer(layer, changes);
}

async function loadLayer(file: string): Promise<ConfigLayer> {
  const layer = readLayer(await readConfigText(file), file);
  return { ...layer, tree: withAbsolutePaths(layer.tree, dirname(resolve(file))) };
}

async function readConfigText(file: string): Promise<string> {
  const fail = (message: string, hint: string, cause?: unknown): never => {
    throw new ConfigError([{ source: file, path: '', message, hint }], { cause });
  };
  try {
    const { size } = await stat(file);
    if (size > MAX_CONFIG_LENGTH * 4)
      return fail(`has ${size} bytes, too many for a configuration`, 'is this the right file?');
    return new TextDecoder('utf-8', { fatal: true }).decode(await readFile(file));
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    if (error instanceof TypeError) return fail('is not UTF-8 text', 'save it as UTF-8', error);
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT')
      return fail('does not exist', `give a YAML or JSON file, or a task: ${TASK_NAMES.join(', ')}`, error);
    return fail(
      `cannot be read (${code ?? String(error)})`,
      'check its permissions and that it is a file',
      error,
    );
  }
}

function withAbsolutePaths(tree: ConfigNode, folder: string): ConfigNode {
  let out = tree;
  for (const path of PATH_KEYS) {
    const node = nodeAt(out, path);
    if (node?.kind !== 'leaf' || typeof node.value !== 'string') continue;
    if (node.value === '' || (path.at(-1) === 'root' && node.value === 'auto')) continue;
    out = withNode(out, path, { ...node, value: resolve(folder, node.value) }, originAt(out, path));
  }
  return out;
}
