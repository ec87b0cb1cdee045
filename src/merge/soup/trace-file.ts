/** `soup.json`: every decision of a greedy soup, for people and for `--resume`. */
import { z } from 'zod';
import { SoupTraceError } from './errors.js';

const score = z.number();

const schema = z.strictObject({
  version: z.literal(1),
  /** SHA-256 of what the decisions depend on: files of the models, rule of acceptance, what scores them. */
  definition: z.string(),
  models: z.array(z.string()),
  acceptEqual: z.boolean(),
  /** Score of each model alone, in their order, as far as they are known. */
  scores: z.array(score),
  steps: z.array(z.strictObject({ model: z.int().min(0), score, accepted: z.boolean() })),
  /** Once it is done: models in the soup, in order of their acceptance, and its score. */
  ingredients: z.array(z.string()).optional(),
  score: score.optional(),
});

export type SoupFile = z.output<typeof schema>;

/** @throws {SoupTraceError} for what is no such file. */
export function parseSoupFile(text: string, file: string): SoupFile {
  const hint = 'begin anew in another folder, or remove this file';
  let plain: unknown;
  try {
    plain = JSON.parse(text);
  } catch (error) {
    throw new SoupTraceError(file, 'is not JSON', hint, { cause: error });
  }
  const parsed = schema.safeParse(plain);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new SoupTraceError(file, `is no trace of a soup: ${issue.path.join('.')}: ${issue.message}`, hint);
}
