import * as z from 'zod';

const positive = z.number().positive();

/** FisherDropout: each client trains the sub-model of the units that score highest. */
const fisherDropout = z
  .strictObject({
    rates: z
      .array(z.number().min(0).lt(1))
      .min(1)
      .describe('shares of units that are left out, each in [0, 1); clients get one of them each'),
    assign: z
      .enum(['round-robin', 'random'])
      .default('round-robin')
      .describe('how clients get their rate: round-robin by client id, or random each round'),
    score: z
      .enum(['sum', 'mean', 'saliency'])
      .default('sum')
      .describe(
        'unit score from the diagonal Fisher: sum, mean, or saliency (sum of Fisher times squared weight)',
      ),
    selection: z
      .enum(['private-fisher', 'public-random'])
      .default('private-fisher')
      .describe(
        "private-fisher ranks units on the clients' data (unaccounted); public-random draws them from the seed",
      ),
    refreshEvery: z.int().min(1).max(1e6).default(5).describe('rounds between new scores, 1 or more'),
    scoringExamples: z
      .int()
      .min(1)
      .optional()
      .describe('examples of a client that are scored, 1 or more; absent: all of them'),
  })
  .describe('FisherDropout sub-models by unit group');

const clip = z
  .strictObject({
    maxNorm: positive.describe('bound on the L2 norm of a client update, in units of the weights, above 0'),
  })
  .describe('clips each client update; the server clips the decoded update again');

const quantize = z
  .strictObject({
    format: z
      .enum(['int8', 'f16', 'bf16'])
      .describe('number format on the wire: int8 (block-wise), f16 or bf16'),
    block: z
      .int()
      .min(16)
      .max(65_536)
      .optional()
      .describe('values that share a scale, 16 to 65536, int8 only; absent: 256'),
    rounding: z
      .enum(['nearest', 'stochastic'])
      .default('nearest')
      .describe('nearest (ties to even) or stochastic (unbiased)'),
  })
  .describe('quantizes the upload');

const gaussianNoise = z
  .strictObject({
    where: z
      .enum(['server', 'client'])
      .default('server')
      .describe('server: on the sum (central); client: on each update (local)'),
    noiseMultiplier: positive.describe('standard deviation of the noise over the clip bound, above 0'),
    noiseCohortSize: z
      .int()
      .min(1)
      .optional()
      .describe(
        'clients of the cohort whose noise is simulated, 1 or more, server only; absent: the cohort itself',
      ),
    source: z
      .enum(['simulation', 'secure'])
      .default('simulation')
      .describe('simulation: seeded, repeatable, no guarantee; secure: keyed by the operating system'),
  })
  .describe('Gaussian noise, after a clip');

/** A stage that TypeScript code passed as an object; files cannot name it. */
const custom = z.strictObject({
  name: z.string().describe('name of the stage object'),
  index: z.int().min(0).describe('place among the stage objects of this run'),
});

export const stageShapes = { fisherDropout, clip, quantize, gaussianNoise, custom };

export type FisherDropoutConfig = z.output<typeof fisherDropout>;
export type ClipConfig = z.output<typeof clip>;
export type QuantizeConfig = z.output<typeof quantize>;
export type GaussianNoiseConfig = z.output<typeof gaussianNoise>;

/** One stage of `update.pipeline`: a map with a single key, which names the stage. */
export type StageConfig =
  | { fisherDropout: FisherDropoutConfig }
  | { clip: ClipConfig }
  | { quantize: QuantizeConfig }
  | { gaussianNoise: GaussianNoiseConfig }
  | { custom: { name: string; index: number } };

export type StageKind = keyof typeof stageShapes;

/** The stage's name and parameters apart, for code that switches over stages. */
export function stageKind(stage: StageConfig): StageKind {
  return Object.keys(stage)[0] as StageKind;
}

export const stageSchema = z
  .strictObject({
    fisherDropout: fisherDropout.optional(),
    clip: clip.optional(),
    quantize: quantize.optional(),
    gaussianNoise: gaussianNoise.optional(),
    custom: custom.optional(),
  })
  .superRefine((stage, context) => {
    const n = Object.keys(stage).length;
    if (n === 1) return;
    const message = n === 0 ? 'is an empty stage' : `names ${n} stages in one map`;
    context.addIssue({
      code: 'custom',
      message,
      params: { hint: 'write one stage per list entry, as `- clip: { max-norm: 1.0 }`' },
    });
  })
  .transform((stage) => stage as StageConfig)
  .describe('one stage, a map with a single key');
