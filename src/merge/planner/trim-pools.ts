/** Which task vectors `trim_scope: model` trims as a whole: the tensors of each, and how many entries are kept. */
import { byName, keptCount, trimsModels } from '../../combine/merge/model-trim.js';
import type { OutputTensor, PlannedModel } from '../plan.js';
import type { PlanProblem } from './problems.js';

export interface TrimPool {
  /** As in the recipe. */
  readonly model: string;
  readonly density: number;
  readonly minKeep: number;
  /** Elements of all its tensors. */
  readonly elements: number;
  /** In the order in which they get their share of equal magnitudes. */
  readonly tensors: readonly PooledTensor[];
}

export interface PooledTensor {
  readonly name: string;
  readonly output: OutputTensor;
  /** Place of the model among the output's inputs. */
  readonly input: number;
}

/** What a report and a dry run say of a pool. */
export interface TrimDescription {
  readonly model: string;
  readonly density: number;
  readonly tensors: number;
  readonly elements: number;
  readonly kept: number;
}

interface PlannedTensors {
  readonly models: readonly PlannedModel[];
  readonly outputs: readonly OutputTensor[];
}

/**
 * A pool for every model that a recipe trims as a whole, in the order of naming. A model that is listed twice has two: it may have two
 * densities. Tensors that are copied, or that the model lacks, are in none.
 */
export function trimPools({ models, outputs }: PlannedTensors): TrimPool[] {
  const pools = new Map<string, { model: string; tensors: PooledTensor[] }>();
  for (const output of outputs) {
    if (output.method?.name !== 'ties' || !trimsModels(output.global)) continue;
    const seen = new Map<number, number>();
    output.inputs.forEach(({ model: at }, input) => {
      if (input === output.base) return;
      const owner = models[at].adapter?.of ?? at;
      const turn = seen.get(owner) ?? 0;
      seen.set(owner, turn + 1);
      const key = `${owner} ${turn}`;
      const pool = pools.get(key) ?? { model: models[owner].reference, tensors: [] };
      pools.set(key, pool);
      pool.tensors.push({ name: output.name, output, input });
    });
  }
  return [...pools.values()].map(({ model, tensors }) => {
    const [{ output, input }] = tensors;
    return {
      model,
      density: output.perModel.density[input],
      minKeep: output.global.min_keep,
      elements: tensors.reduce((sum, tensor) => sum + sizeOf(tensor.output), 0),
      tensors: byName(tensors),
    };
  });
}

/** Entries of a pool that are kept. @throws {MergeMethodError} `ERR_EMPTY_DENSITY` if none. */
export function keptOf({ model, density, minKeep, elements, tensors }: TrimPool): number {
  const of = { method: 'ties', tensor: tensors[0].name, model, tensors: tensors.length };
  return keptCount(density, elements, minKeep, of);
}

/** The pools of which something is dropped. @throws as {@link keptOf}. */
export function trimmedPools(plan: PlannedTensors): TrimPool[] {
  return trimPools(plan).filter((pool) => keptOf(pool) < pool.elements);
}

export function describeTrims(plan: PlannedTensors): TrimDescription[] {
  return trimPools(plan).map((pool) => {
    const { model, density, elements, tensors } = pool;
    return { model, density, tensors: tensors.length, elements, kept: keptOf(pool) };
  });
}

/** A whole model has one density; with several nobody could say how many of its entries are kept. */
export function checkTrimScope(plan: PlannedTensors, problems: PlanProblem[]): void {
  for (const { model, tensors } of trimPools(plan)) {
    const settings = [
      { name: 'density', of: ({ output, input }: PooledTensor) => output.perModel.density[input] },
      { name: 'min_keep', of: ({ output }: PooledTensor) => output.global.min_keep },
    ];
    for (const { name, of } of settings) {
      const [first] = tensors;
      const odd = tensors.find((tensor) => of(tensor) !== of(first));
      if (odd === undefined) continue;
      problems.push({
        className: 'bad_parameter_setting',
        message:
          `${name} of ${model} is ${of(first)} for ${first.name} and ${of(odd)} for ${odd.name}, ` +
          'but with trim_scope: model a model is trimmed as a whole',
        hint: `give ${name} one value for all tensors of a model, without filters and gradients, or set trim_scope: tensor`,
        tensor: odd.name,
        model,
        expected: of(first),
        actual: of(odd),
      });
    }
  }
}

function sizeOf({ shape }: OutputTensor): number {
  return shape.reduce((n, length) => n * length, 1);
}
