/** `path[@revision][+lora_path[@revision]]`: a model as recipes name it. */

export interface ModelReference {
  /** As written; equal models have equal text. */
  readonly text: string;
  readonly path: string;
  readonly revision?: string;
  /** Low-rank adapter that is added on load. */
  readonly lora?: { readonly path: string; readonly revision?: string };
  /** Architecture name that stands in for the one in config.json. */
  readonly overrideArchitecture?: string;
}

/** @returns the reference, or what is wrong with the text. */
export function parseModelReference(text: string): ModelReference | string {
  const parts = text.split('+');
  if (parts.length > 2) return 'has more than one "+"';
  const [model, lora] = parts.map(parsePath);
  if (typeof model === 'string') return model;
  if (typeof lora === 'string') return lora;
  return makeReference(model, lora);
}

export function makeReference(
  model: { readonly path: string; readonly revision?: string },
  lora?: { readonly path: string; readonly revision?: string },
  overrideArchitecture?: string,
): ModelReference {
  const text = lora === undefined ? textOf(model) : `${textOf(model)}+${textOf(lora)}`;
  return {
    text,
    ...model,
    ...(lora === undefined ? {} : { lora }),
    ...(overrideArchitecture === undefined ? {} : { overrideArchitecture }),
  };
}

function parsePath(text: string): { path: string; revision?: string } | string {
  const [path, revision, ...more] = text.split('@');
  if (more.length > 0) return 'has more than one "@" in one path';
  if (path.trim() === '') return 'has an empty path';
  if (revision === '') return 'has an empty revision behind "@"';
  const clean = normalisePath(path.trim());
  return revision === undefined ? { path: clean } : { path: clean, revision };
}

function textOf({ path, revision }: { readonly path: string; readonly revision?: string }): string {
  return revision === undefined ? path : `${path}@${revision}`;
}

/** `./a`, `a/` and `a` are one model. */
export function normalisePath(path: string): string {
  const short = path
    .replace(/\/{2,}/g, '/')
    .replace(/^(?:\.\/)+(?=.)/, '')
    .replace(/(?<=.)\/+$/, '');
  return short === '' ? '.' : short;
}

/** The folder, of those given, that a path lies in; where one is within another, the inner one. */
export function longestFolder(folders: Iterable<string>, path: string): string | undefined {
  let longest: string | undefined;
  for (const folder of folders)
    if (path.startsWith(`${folder}/`) && folder.length > (longest?.length ?? -1)) longest = folder;
  return longest;
}
