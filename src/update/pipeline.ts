/** The ordered list of stages between a client's training and the server's sum: the only place where updates are changed. */
import { InvalidArgumentError, ShapeMismatchError } from '../errors.js';
import {
  type CentralNoise,
  dense,
  type Payload,
  type PlanContext,
  type Stage,
  type StageContext,
  type SubModelPlan,
} from './stage.js';
import { embedSubModel, extractSubModel, holderMask } from './sub-model.js';

/** Bytes that a stage put on the wire. */
export interface WireBytes {
  readonly name: string;
  readonly direction: 'upload' | 'download';
  readonly bytes: number;
}

/** What a client gets this round. */
export interface Delivery {
  /** Values it starts from: the global model, or its sub-model. Not to be written. */
  readonly params: Float32Array;
  readonly plan?: SubModelPlan;
  readonly wire: readonly WireBytes[];
}

/** What the server has after decode. */
export interface Receipt {
  /** Layout of the global model; valid until the next call of `receive`. */
  readonly update: Float32Array;
  /** 1 where the client held the coordinate; only where a sub-model was sent. */
  readonly mask?: Uint8Array;
  readonly wire: readonly WireBytes[];
}

export interface UpdatePipeline {
  readonly stages: readonly Stage[];
  /** Bound of the last clip, which the server enforces after decode; absent after local noise, which goes beyond it. */
  readonly maxNorm?: number;
  readonly centralNoise?: CentralNoise;
  deliver(context: PlanContext): Promise<Delivery>;
  /** Encodes on the client's side and decodes on the server's; `update` is overwritten. */
  receive(update: Float32Array, delivery: Delivery, context: StageContext, wantMask: boolean): Receipt;
}

/**
 * Joins stages to a pipeline.
 *
 * @throws {InvalidArgumentError} if a stage other than the first chooses sub-models, or if central noise is calibrated to
 *   less than the bound that the server enforces, or to none.
 */
export function createPipeline(stages: readonly Stage[]): UpdatePipeline {
  stages.forEach((stage, i) => {
    if (stage.plan && i > 0)
      throw new InvalidArgumentError(
        'pipeline',
        `stage ${i + 1} (${stage.name})`,
        'the first: it chooses sub-models',
        i + 1,
      );
  });
  const maxNorm = stages.reduce<number | undefined>(
    (bound, stage) => (stage.localNoise ? undefined : (stage.maxNorm ?? bound)),
    undefined,
  );
  const centralNoise = centralNoiseOf(stages, maxNorm);
  const [first] = stages;
  const downloads = stages.filter((stage) => stage.download);
  const uploads = stages.filter((stage) => stage.upload);
  let full = new Float32Array(0);

  return {
    stages,
    maxNorm,
    centralNoise,
    async deliver(context) {
      const plan = await first?.plan?.(context);
      const subModelOf = (model: Float32Array): Float32Array => {
        if (plan === undefined || plan.kept.size === 0) return model;
        const params = new Float32Array(plan.spec.size);
        extractSubModel(context.kernels, context.spec, plan.spec, plan.kept, model, params);
        return params;
      };
      const cutByClient = plan?.fullDownload ?? false;
      const sent = cutByClient ? context.global : subModelOf(context.global);
      let payload = dense(sent);
      let last = 'dense';
      if (downloads.length > 0) payload = dense(sent.slice());
      for (const stage of downloads) {
        if (!stage.download) continue;
        const before = payload.bytes;
        payload = stage.download.encode(payload, context);
        if (payload.bytes !== before) last = stage.name;
      }
      const bytes = checkedBytes(payload, last);
      for (const stage of downloads.toReversed())
        if (stage.download) payload = stage.download.decode(payload, context);
      const received = denseValues(payload, sent.length, 'the decoded model');
      return {
        params: cutByClient ? subModelOf(received) : received,
        plan,
        wire: [{ name: last, direction: 'download', bytes }],
      };
    },
    receive(update, { plan }, context, wantMask) {
      const wire: WireBytes[] = [];
      if (plan && plan.positionBytes > 0 && first)
        wire.push({ name: first.name, direction: 'upload', bytes: plan.positionBytes });
      let payload = dense(update);
      let last = 'dense';
      for (const stage of uploads) {
        if (!stage.upload) continue;
        const before = payload.bytes;
        payload = stage.upload.encode(payload, context);
        if (payload.bytes !== before) last = stage.name;
      }
      wire.push({ name: last, direction: 'upload', bytes: checkedBytes(payload, last) });
      for (const stage of uploads.toReversed())
        if (stage.upload) payload = stage.upload.decode(payload, context);
      const values = denseValues(payload, (plan?.spec ?? context.spec).size, 'the decoded update');
      if (!plan || plan.kept.size === 0)
        return {
          update: values,
          mask: wantMask ? new Uint8Array(context.spec.size).fill(1) : undefined,
          wire,
        };
      if (full.length !== context.spec.size) full = new Float32Array(context.spec.size);
      full.fill(0);
      embedSubModel(context.kernels, context.spec, plan.spec, plan.kept, values, full);
      const mask = wantMask ? holderMask(context.kernels, context.spec, plan.spec, plan.kept) : undefined;
      return { update: full, mask, wire };
    },
  };
}

function centralNoiseOf(stages: readonly Stage[], maxNorm: number | undefined): CentralNoise | undefined {
  const noises = stages.flatMap(({ centralNoise }) => centralNoise ?? []);
  if (noises.length > 1)
    throw new InvalidArgumentError('pipeline', 'central noise', 'in one stage at most', noises.length);
  const [noise] = noises;
  if (noise && !(maxNorm !== undefined && noise.maxNorm >= maxNorm))
    throw new InvalidArgumentError(
      'pipeline',
      'maxNorm of the central noise',
      maxNorm === undefined
        ? 'the bound of a clip that stands before it'
        : `at least ${maxNorm}, the bound of the last clip`,
      noise.maxNorm,
    );
  return noise;
}

/** What a stage's decode left, which for a stage of the user's own can be anything. */
function denseValues(payload: Payload, length: number, what: string): Float32Array {
  if (payload.kind !== 'dense')
    throw new InvalidArgumentError('pipeline', what, 'float32 values', payload.kind);
  if (payload.values.length !== length)
    throw new ShapeMismatchError(
      `pipeline, ${what}`,
      [length],
      [payload.values.length],
      'let every decode of a stage give back as many values as its encode got',
    );
  return payload.values;
}

function checkedBytes({ bytes }: Payload, stage: string): number {
  if (!(Number.isSafeInteger(bytes) && bytes >= 0))
    throw new InvalidArgumentError(stage, 'bytes of its payload', 'a number of bytes', bytes);
  return bytes;
}
