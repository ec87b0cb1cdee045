/** The ordered list of stages between a client's training and the server's sum: the only place where updates are changed. */
import { InvalidArgumentError } from '../errors.js';
import {
  type CentralNoise,
  dense,
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
  /** Bound of the last clip, which the server enforces after decode. */
  readonly maxNorm?: number;
  readonly centralNoise?: CentralNoise;
  deliver(context: PlanContext): Promise<Delivery>;
  /** Encodes on the client's side and decodes on the server's; `update` is overwritten. */
  receive(update: Float32Array, delivery: Delivery, context: StageContext, wantMask: boolean): Receipt;
}

/** @throws {InvalidArgumentError} if a stage other than the first chooses sub-models. */
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
  const [first] = stages;
  const downloads = stages.filter((stage) => stage.download);
  const uploads = stages.filter((stage) => stage.upload);
  let full = new Float32Array(0);

  return {
    stages,
    maxNorm: stages.reduce<number | undefined>((bound, stage) => stage.maxNorm ?? bound, undefined),
    centralNoise: stages.find((stage) => stage.centralNoise)?.centralNoise,
    async deliver(context) {
      const plan = await first?.plan?.(context);
      const cut = plan !== undefined && plan.kept.size > 0;
      let params = context.global;
      if (cut) {
        params = new Float32Array(plan.spec.size);
        extractSubModel(context.kernels, context.spec, plan.spec, plan.kept, context.global, params);
      }
      const sent = plan?.fullDownload ? context.global : params;
      let payload = dense(sent);
      let last = 'dense';
      for (const stage of downloads) {
        if (!stage.download) continue;
        payload = stage.download.encode(
          payload.kind === 'dense' ? dense(payload.values.slice()) : payload,
          context,
        );
        last = stage.name;
      }
      const { bytes } = payload;
      for (const stage of downloads.toReversed())
        if (stage.download) payload = stage.download.decode(payload, context);
      if (downloads.length > 0 && payload.kind === 'dense' && !plan?.fullDownload) params = payload.values;
      return { params, plan, wire: [{ name: last, direction: 'download', bytes }] };
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
      wire.push({ name: last, direction: 'upload', bytes: payload.bytes });
      for (const stage of uploads.toReversed())
        if (stage.upload) payload = stage.upload.decode(payload, context);
      if (payload.kind !== 'dense')
        throw new InvalidArgumentError('pipeline', 'the decoded update', 'float32 values', payload.kind);
      if (!plan || plan.kept.size === 0)
        return {
          update: payload.values,
          mask: wantMask ? new Uint8Array(context.spec.size).fill(1) : undefined,
          wire,
        };
      if (full.length !== context.spec.size) full = new Float32Array(context.spec.size);
      full.fill(0);
      embedSubModel(context.kernels, context.spec, plan.spec, plan.kept, payload.values, full);
      const mask = wantMask ? holderMask(context.kernels, context.spec, plan.spec, plan.kept) : undefined;
      return { update: full, mask, wire };
    },
  };
}
