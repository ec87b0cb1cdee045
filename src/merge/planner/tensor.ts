/** One output tensor: which inputs it has, how they line up, its parameters and types. */
import type { MergeMethod } from '../../combine/merge/method.js';
import { mathDtype, resultDtype } from '../../combine/merge/result-dtype.js';
import { isFloatDtype, isTensorDtype } from '../../tensor/safetensors/dtype.js';
import type { InputTensor, OutputTensor, RowMapping, TensorDtype } from '../plan.js';
import type { RecipeDtype } from '../recipe/recipe.js';
import type { AdapterTerms } from './adapters.js';
import { type MethodLookup, resolveParameters } from './parameters.js';
import type { PlanProblem } from './problems.js';
import { alignShapes } from './shapes.js';
import type { SlotSource, TensorSlot } from './slots.js';
import type { ModelFacts } from './sources.js';

export interface LoadedModel {
  readonly index: number;
  readonly text: string;
  readonly facts: ModelFacts;
  readonly adapter?: AdapterTerms & { readonly index: number };
}

export interface TensorPlanner {
  readonly method: MergeMethod;
  readonly methods: MethodLookup;
  readonly models: ReadonlyMap<string, LoadedModel>;
  readonly dtype?: RecipeDtype;
  readonly outDtype?: RecipeDtype;
  readonly raw: boolean;
  readonly rawTensors: 'error' | 'union' | 'intersection';
  readonly allowSubmatrix: boolean;
  readonly strict: boolean;
  readonly problems: PlanProblem[];
  readonly warnings: string[];
  /** Rows by the output's vocabulary, for an embedding or head; absent without a tokenizer setting. */
  mapRows?(slot: TensorSlot, inputs: readonly InputTensor[], base: number): readonly RowMapping[];
}

interface Found extends SlotSource {
  readonly input: InputTensor;
  /** Another tensor stands in for it. */
  readonly tied: boolean;
}

/** @returns undefined where nothing is to be written. */
export function planTensor(planner: TensorPlanner, slot: TensorSlot): OutputTensor | undefined {
  const { method, warnings, problems } = planner;
  const found = slot.sources.map((source) => locate(planner, slot, source));
  const holders = found.filter((one) => one !== undefined);
  if (!holders.some(({ tied }) => !tied)) {
    if (slot.required) reportMissing(planner, slot, slot.sources);
    return undefined;
  }
  if (slot.foreign) {
    if (planner.strict) {
      warnings.push(`${slot.name} is dropped: the architecture has no place for it`);
      return undefined;
    }
    warnings.push(
      `${slot.name} is copied from ${donor(slot, found).model}: the architecture has no place for it`,
    );
    return copied(planner, slot, donor(slot, found).input);
  }
  if (holders.length < found.length && !slot.traits.optional) {
    const absent = slot.sources.filter((_, k) => found[k] === undefined);
    if (planner.raw && planner.rawTensors === 'intersection') {
      warnings.push(`${slot.name} is dropped: ${names(absent)} lack it`);
      return undefined;
    }
    if (!planner.raw || planner.rawTensors === 'error') {
      reportMissing(planner, slot, absent);
      return undefined;
    }
  }
  const sources = holders;
  let base =
    slot.base < 0 || found[slot.base] === undefined ? -1 : sources.indexOf(found[slot.base] as Found);
  if (sources.length < found.length) {
    warnings.push(
      `${slot.name} is merged without ${names(slot.sources.filter((_, k) => found[k] === undefined))}, which lack it`,
    );
    if (tooFew(method, sources.length, base, slot.base)) {
      if (method.name === 'model_stock') {
        warnings.push(`${slot.name} is dropped: model_stock needs the base and two models that have it`);
        return undefined;
      }
      warnings.push(`${slot.name} is copied from ${donor(slot, found).model}: too few models have it`);
      return copied(planner, slot, donor(slot, found).input);
    }
  }
  const floats = sources.every(({ input }) => isComputed(input));
  if (!floats) return planOther(planner, slot, sources, base);

  let inputs: InputTensor[] = sources.map(({ input }) => input);
  const rows = slot.traits.embed ? planner.mapRows?.(slot, inputs, base) : undefined;
  if (rows !== undefined) inputs = inputs.map((input, k) => ({ ...input, rows: rows[k] }));
  if (rows !== undefined && refusesScaledRows(planner, slot, sources)) return undefined;
  const aligned = alignShapes(
    slot.name,
    inputs,
    {
      method: method.name,
      embed: slot.traits.embed,
      base,
      allowSubmatrix: planner.allowSubmatrix,
      strict: planner.strict,
      models: sources.map(({ model }) => model),
    },
    problems,
    warnings,
  );
  const kept = sources.filter((_, k) => aligned.inputs[k] !== undefined);
  const keptInputs = aligned.inputs.filter((input) => input !== undefined);
  base = base < 0 ? -1 : kept.indexOf(sources[base]);
  if (tooFew(method, kept.length, base, slot.base))
    return copied(planner, slot, keptInputs[Math.max(base, 0)]);
  const parameters = resolveParameters(
    method,
    {
      sources: kept,
      shared: slot.shared,
      tensor: slot.name,
      position: slot.position,
      base,
    },
    problems,
  );
  const dtypes = keptInputs.map(valueDtypeOf);
  const { dtype: wanted, strict } = planner;
  const scaled = keptInputs.some(({ scale }) => scale !== undefined);
  const output: OutputTensor = {
    name: slot.name,
    shape: aligned.shape,
    dtype: planner.outDtype ?? resultDtype(method.name, dtypes, base, { wanted, strict }),
    // What was scaled is not rounded on the way, as values that are stored in the type would not be.
    mathDtype: wanted ?? (scaled ? 'F32' : mathDtype(method.name, dtypes, base)),
    inputs: keptInputs,
    method,
    base,
    ...parameters,
  };
  const plain = method.name === 'passthrough' && parameters.perModel.scale?.every((scale) => scale === 1);
  return plain ? withoutMethod(output) : output;
}

/** A method that only copies is none, where the stored bytes are those of the input. */
function withoutMethod(output: OutputTensor): OutputTensor {
  const [input] = output.inputs;
  if (input.dtype !== output.dtype || isChanged(input)) return output;
  const { method: _, ...rest } = output;
  return { ...rest, perModel: {}, global: {} };
}

/** Whether the values are not those that are stored. */
function isChanged({ rows, adapter, scale }: InputTensor): boolean {
  return rows !== undefined || adapter !== undefined || scale !== undefined;
}

function isComputed({ dtype, scale }: InputTensor): boolean {
  return scale !== undefined || (isFloatDtype(dtype) && isTensorDtype(dtype));
}

/** Type of the values: that of the storage, or what it was before it was quantized. */
function valueDtypeOf({ dtype, scale }: InputTensor): TensorDtype {
  return scale?.dtype ?? dtype;
}

function tooFew(method: MergeMethod, count: number, base: number, wantedBase: number): boolean {
  if (wantedBase >= 0 && base < 0 && method.base === 'required') return true;
  return count - (base < 0 ? 0 : 1) < method.models.min;
}

/** The base if it has the tensor, else the first that has. */
function donor(slot: TensorSlot, found: readonly (Found | undefined)[]): Found {
  const base = slot.base < 0 ? undefined : found[slot.base];
  return base ?? (found.find((one) => one !== undefined) as Found);
}

function names(sources: readonly SlotSource[]): string {
  return sources.map(({ model }) => model).join(', ');
}

function reportMissing(planner: TensorPlanner, slot: TensorSlot, sources: readonly SlotSource[]): void {
  for (const { model, tensor } of sources) {
    const other = otherwiseNamed(planner.models.get(model)?.facts.tensors.keys() ?? [], tensor);
    planner.problems.push({
      className: 'missing_tensor',
      message: `${model} has no tensor ${tensor}${other === undefined ? '' : `, but ${other}`}`,
      hint:
        other === undefined
          ? 'check that the files of the model are complete and that all models have one architecture'
          : 'the models were saved with and without the name of an outer module: save them by one class, as both AutoModelForCausalLM',
      tensor: slot.name,
      model,
    });
  }
}

/** The same name with more or fewer modules around it: `transformer.wte.weight` for `wte.weight`. */
function otherwiseNamed(names: Iterable<string>, wanted: string): string | undefined {
  for (const name of names) {
    const [long, short] = name.length > wanted.length ? [name, wanted] : [wanted, name];
    // A last part alone, as `weight`, is no name.
    if (long.endsWith(`.${short}`) && short.includes('.')) return name;
  }
  return undefined;
}

function locate(planner: TensorPlanner, slot: TensorSlot, source: SlotSource): Found | undefined {
  const model = planner.models.get(source.model);
  if (model === undefined) return undefined;
  const candidates = [source.tensor, ...slot.traits.aliases, ...slot.traits.tied];
  const own = 1 + slot.traits.aliases.length;
  for (const [i, name] of candidates.entries()) {
    const input = inputOf(model, name);
    if (input !== undefined) return { ...source, input, tied: i >= own };
  }
  return undefined;
}

function inputOf(model: LoadedModel, name: string): InputTensor | undefined {
  const facts = model.facts.tensors.get(name);
  if (facts === undefined) return undefined;
  const whole = model.adapter?.replaced.get(name);
  const replacement = whole === undefined ? undefined : model.facts.adapter?.tensors.get(whole);
  if (model.adapter !== undefined && whole !== undefined && replacement !== undefined)
    return { model: model.adapter.index, name: whole, dtype: replacement.dtype, shape: replacement.shape };
  const term = model.adapter?.terms.get(name);
  const scale = model.facts.scales?.get(name);
  return {
    model: model.index,
    name,
    dtype: facts.dtype,
    shape: facts.shape,
    ...(term !== undefined && { adapter: term }),
    ...(scale !== undefined && { scale }),
  };
}

/** Integers, masks and types that merges do not compute with: copied, if that can be right. */
function planOther(
  planner: TensorPlanner,
  slot: TensorSlot,
  sources: readonly Found[],
  base: number,
): OutputTensor | undefined {
  const first = sources[Math.max(base, 0)];
  const rest = sources.filter((source) => source !== first);
  const unreadable = sources.some(({ input }) => !isTensorDtype(input.dtype) && !/^U\d/.test(input.dtype));
  if (rest.length > 0 && unreadable) {
    planner.problems.push({
      className: 'unsupported_dtype',
      message: `${slot.name} of ${first.model} is ${first.input.dtype}, whose values cannot be computed with`,
      hint: 'convert it to a float type first, or copy it with passthrough',
      tensor: slot.name,
      model: first.model,
      actual: first.input.dtype,
    });
    return undefined;
  }
  const inputs = [first.input, ...rest.map(({ input }) => input)];
  const odd = inputs.findIndex(
    ({ dtype, shape }) => dtype !== first.input.dtype || String(shape) !== String(first.input.shape),
  );
  if (odd > 0)
    planner.problems.push({
      className: 'shape_mismatch',
      message: `${slot.name} is ${first.input.dtype} [${first.input.shape}] in ${first.model} and ${inputs[odd].dtype} [${inputs[odd].shape}] in ${rest[odd - 1].model}`,
      hint: 'tensors of integers are copied, and must be the same in all models',
      tensor: slot.name,
      model: rest[odd - 1].model,
      expected: first.input.shape,
      actual: inputs[odd].shape,
    });
  return { ...bytesOutput(slot, first.input), inputs };
}

/** Rows are taken from other models' matrices as they are stored; embeddings are hardly ever quantized to eight bits. */
function refusesScaledRows(
  { problems }: TensorPlanner,
  slot: TensorSlot,
  sources: readonly Found[],
): boolean {
  const scaled = sources.find(({ input }) => input.scale !== undefined);
  if (scaled === undefined) return false;
  problems.push({
    className: 'unsupported_dtype',
    message: `${slot.name} of ${scaled.model} is ${scaled.input.dtype} with scales, and its rows cannot be put in another order`,
    hint: 'convert the model to bfloat16 first, or leave out the tokenizer setting',
    tensor: slot.name,
    model: scaled.model,
    actual: scaled.input.dtype,
  });
  return true;
}

function bytesOutput(slot: TensorSlot, input: InputTensor): OutputTensor {
  const { dtype, shape } = input;
  return {
    name: slot.name,
    shape,
    dtype,
    mathDtype: dtype,
    inputs: [input],
    base: -1,
    perModel: {},
    global: {},
  };
}

/** A tensor of one input: its bytes, or its values where they are stored in another type or have to be put together. */
function copied(planner: TensorPlanner, slot: TensorSlot, input: InputTensor): OutputTensor {
  const wanted = planner.outDtype ?? planner.dtype ?? valueDtypeOf(input);
  const passthrough = planner.methods.get('passthrough');
  const changed = wanted !== input.dtype || isChanged(input);
  if (!isComputed(input) || !changed || passthrough === undefined) return bytesOutput(slot, input);
  const rows = input.rows;
  const shape =
    rows?.kind === 'cut'
      ? rows.shape
      : rows === undefined
        ? input.shape
        : [rows.from.length, ...input.shape.slice(1)];
  return {
    ...bytesOutput(slot, input),
    shape,
    dtype: wanted,
    mathDtype: planner.dtype ?? (input.scale === undefined ? input.dtype : 'F32'),
    method: passthrough,
    perModel: { scale: [1] },
  };
}
