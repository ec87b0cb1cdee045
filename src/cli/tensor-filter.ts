import { UsageError } from './errors.js';

/** Whether a tensor's name is asked for: it holds the text, or fits the pattern where that has a `*`. Default: all are. */
export function tensorFilter(text: string | undefined): (name: string) => boolean {
  if (text === undefined) return () => true;
  if (!text.includes('*')) return (name) => name.includes(text);
  const parts = text.split('*').map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  const pattern = new RegExp(`^${parts.join('.*')}$`, 's');
  return (name) => pattern.test(name);
}

/** @throws {UsageError} if a filter leaves nothing. */
export function expectMatches(count: number, filter: string | undefined, names: Iterable<string>): void {
  if (count > 0 || filter === undefined) return;
  const [first] = names;
  throw new UsageError(
    `no tensor matches --filter ${JSON.stringify(filter)}`,
    first === undefined ? 'the model has no tensors' : `names look like ${first}; a * stands for any text`,
  );
}
