/** From a plan and open inputs to a model and what is said of it: the same on a disk and in memory. */
import { bytesOf } from '../tensor/safetensors/dtype.js';
import { modelSha256 } from '../tensor/safetensors/model-hash.js';
import type { ModelSource } from '../tensor/safetensors/source.js';
import { filesBeside } from './files-beside.js';
import type { MergePlan, PlannedFile } from './plan.js';
import type { OpenedModels } from './planner/models.js';
import { runNotes } from './run-notes.js';
import { type PlanRun, runPlan } from './sidecars/run.js';
import type { StreamOptions } from './stream/stream.js';
import { layerChanges, type MergeSummary } from './summary.js';

export interface PlannedRun extends StreamOptions {
  /** Text of the recipe, all its documents, and the method of this one. */
  readonly recipe: string;
  readonly method: string;
  readonly seed?: number | string | bigint;
  readonly strict?: boolean;
  /** Reads every input once more, for its hash in the report. */
  readonly hashInputs?: boolean;
  /** `performance.now()` at the beginning of the merge. */
  readonly began: number;
  /** Whether README.md is written; may add to the notes why not. Default: it is. */
  mayWriteCard?(notes: string[]): Promise<boolean>;
  /** What differs from run to run, for the report. Default: nothing. */
  timings?(result: PlanRun): Readonly<Record<string, number | string>>;
  readonly more?: readonly PlannedFile[];
}

/** Merges, writes the files beside the tensors, and commits. @throws as `runPlan`, and {InputChangedError}; the writer stays open then. */
export async function runPlanned(run: PlannedRun): Promise<Omit<MergeSummary, 'folder' | 'workers'>> {
  const { plan, sources, writer, kernels, recipe, seed, strict } = run;
  const resumed = new Set(writer.finished);
  const hashed = run.hashInputs === true ? await hashInputs(run) : { hashes: undefined, bytes: 0 };
  const { hashes } = hashed;
  const result = await runPlan({
    ...run,
    onProgress: (progress) =>
      run.onProgress?.({
        ...progress,
        bytes: progress.bytes + hashed.bytes,
        bytesDone: progress.bytesDone + hashed.bytes,
        bytesRead: progress.bytesRead + hashed.bytes,
      }),
  });
  await Promise.all(sources.map((source) => source.verify()));
  const notes = [...result.notes, ...runNotes(plan, result)];
  const modelCard = (await run.mayWriteCard?.(notes)) ?? true;
  const warnings = [...plan.warnings, ...notes];
  const timings = run.timings?.(result);
  const files = await filesBeside({ ...plan, warnings }, result, {
    ...{ recipe, seed, strict, sources, hashes, modelCard, timings },
  });
  for (const { name, from, content } of [...files, ...(run.more ?? [])])
    await writer.addFile(name, from === undefined ? (content ?? '') : { from });
  const written = await writer.commit();
  const seconds = secondsSince(run.began);
  const merged = result.tensors.reduce((sum, { tensor, size }) => sum + (resumed.has(tensor) ? 0 : size), 0);
  return {
    files: written.files,
    method: run.method,
    models: plan.models.filter(({ sidecar }) => sidecar === undefined).map(({ reference }) => reference),
    tensors: plan.outputs.length,
    resumedTensors: resumed.size,
    parameters: plan.outputs.reduce((sum, { shape }) => sum + sizeOf(shape), 0),
    bytes: written.bytes,
    bytesRead: result.bytesRead,
    seconds,
    parametersPerSecond: merged / seconds,
    backend: kernels.backend,
    nonFinite: result.tensors.reduce((sum, { nonFinite }) => sum + nonFinite, 0),
    layers: layerChanges(result.tensors),
    warnings: [...new Set([...warnings, ...sources.flatMap((source) => source.warnings)])],
  };
}

async function hashInputs({ plan, sources, signal, onProgress }: PlannedRun) {
  const bytesOfAll = (tensors: Iterable<{ readonly bytes: number }>): number =>
    [...tensors].reduce((sum, { bytes }) => sum + bytes, 0);
  const bytes = sources.reduce((sum, { tensors }) => sum + bytesOfAll(tensors.values()), 0);
  const later = plan.outputs.reduce((sum, { dtype, shape }) => sum + bytesOf(dtype, sizeOf(shape)), 0);
  let bytesRead = 0;
  const hashes: string[] = [];
  for (const source of sources)
    hashes.push(
      await modelSha256(source, signal, (count) => {
        bytesRead += count;
        const counts = { bytesRead, bytesWritten: 0, bytesDone: bytesRead, bytes: bytes + later };
        onProgress?.({ tensorsDone: 0, tensors: plan.outputs.length, ...counts });
      }),
    );
  return { hashes, bytes };
}

function sizeOf(shape: readonly number[]): number {
  return shape.reduce((n, size) => n * size, 1);
}

export function secondsSince(began: number): number {
  return (performance.now() - began) / 1000;
}

/** The open models of a plan, in its order. */
export function sourcesOf(plan: MergePlan, { sources }: Pick<OpenedModels, 'sources'>): ModelSource[] {
  return plan.models.map(({ path }) => sources.get(path) as ModelSource);
}
