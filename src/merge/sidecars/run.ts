/** Runs a plan of any method: what spans tensors, and the stream alone cannot do, is done before it. */
import { FISHER_NORM } from '../../combine/merge/data-driven.js';
import type { Kernels } from '../../kernels/kernels.js';
import { createCodec } from '../../tensor/safetensors/codecs.js';
import { bytesOf } from '../../tensor/safetensors/dtype.js';
import type { ModelSource } from '../../tensor/safetensors/source.js';
import type { MergePlan, OutputTensor } from '../plan.js';
import { runStream, type StreamOptions, type StreamResult } from '../stream/stream.js';
import { withThresholds } from '../stream/thresholds.js';
import { mergeGramLayers } from './gram-layers.js';

/** Elements that are read at a time. */
const CHUNK = 1 << 20;

export interface PlanRun extends StreamResult {
  /** What the run found worth saying, as layers whose Gram matrices were singular. */
  readonly notes: readonly string[];
}

/**
 * As `runStream`, for plans of all methods: models' Fisher norms and the thresholds of whole models are taken first, and layers of
 * `regmean` are solved one after another.
 *
 * @throws as `runStream`; {@link MemoryBudgetError} for a layer whose matrices do not fit.
 */
export async function runPlan(options: StreamOptions): Promise<PlanRun> {
  const normed = await withFisherNorms(options);
  const settled = await withThresholds({ ...options, plan: normed });
  const { plan } = settled;
  const layers = await mergeGramLayers({ ...options, plan });
  const { writer } = options;
  const done = new Set([...writer.finished, ...layers.tensors.map(({ tensor }) => tensor)]);
  const rest = { ...options, plan, writer: { ...writer, finished: done } };
  const { bytesWritten } = layers;
  const bytesRead = settled.bytesRead + layers.bytesRead;
  const bytesDone = settled.bytesDone + bytesWritten;
  const result = await runStream({
    ...rest,
    onProgress: (progress) =>
      options.onProgress?.({
        ...progress,
        bytesRead: progress.bytesRead + bytesRead,
        bytesDone: progress.bytesDone + bytesDone,
        bytes: progress.bytes + bytesDone,
        bytesWritten: progress.bytesWritten + bytesWritten,
      }),
  });
  const reports = new Map([...layers.tensors, ...result.tensors].map((report) => [report.tensor, report]));
  return {
    tensors: plan.outputs.flatMap(({ name }) => reports.get(name) ?? []),
    bytesRead: result.bytesRead + bytesRead,
    bytesWritten: result.bytesWritten + bytesWritten,
    notes: layers.notes,
  };
}

/** `normalize_fishers`: the L2 norm of every model's whole Fisher information becomes a per-model parameter. */
async function withFisherNorms({ plan, sources, kernels, signal }: StreamOptions): Promise<MergePlan> {
  const wanting = ({ method, global }: OutputTensor): boolean =>
    method?.name === 'fisher' && global.normalize_fishers === 1;
  if (!plan.outputs.some(wanting)) return plan;
  const norms = new Map<number, number>();
  for (const [at, { sidecar }] of plan.models.entries())
    if (sidecar !== undefined) norms.set(at, await normOf(sources[at], kernels, signal));
  const outputs = plan.outputs.map((output) => {
    if (!wanting(output)) return output;
    const { inputs, perModel, measurements = 0 } = output;
    // A model without any information has no norm; its floor is all it has.
    const own = inputs.slice(-measurements).map(({ model }) => norms.get(model) || 1);
    return { ...output, perModel: { ...perModel, [FISHER_NORM]: own } };
  });
  return { ...plan, outputs };
}

async function normOf(source: ModelSource, kernels: Kernels, signal?: AbortSignal): Promise<number> {
  let sum = 0;
  for (const info of source.tensors.values()) {
    const codec = createCodec(kernels, info.dtype, info.name);
    const values = new Float32Array(Math.min(info.size, CHUNK));
    const bytes = new Uint8Array(bytesOf(info.dtype, values.length));
    for (let begin = 0; begin < info.size; begin += CHUNK) {
      signal?.throwIfAborted();
      const end = Math.min(info.size, begin + CHUNK);
      const part = values.subarray(0, end - begin);
      codec.widen(
        part,
        await source.readBytes(info, begin, end, bytes.subarray(0, bytesOf(info.dtype, end - begin))),
      );
      sum += kernels.sumSquaresF32(part);
    }
  }
  return Math.sqrt(sum);
}
