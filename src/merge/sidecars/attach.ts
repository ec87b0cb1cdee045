/** Adds to a plan the measurements that its method weighs the models by. */
import { linear } from '../../combine/merge/linear.js';
import { isFloatDtype, isTensorDtype } from '../../tensor/safetensors/dtype.js';
import type { MergeError } from '../errors.js';
import type { InputTensor, OutputTensor, PlannedModel } from '../plan.js';
import type { PlanProblem } from '../planner/problems.js';
import type { ModelFacts, SidecarFacts } from '../planner/sources.js';
import { examplesOf, SIDECAR_KEYS, sidecarFile } from './sidecar.js';

/** A model of the plan and what was opened of it. */
export interface PlannedFacts {
  readonly index: number;
  readonly text: string;
  readonly facts: ModelFacts;
}

interface Attachment {
  /** Gets one more entry a sidecar. */
  readonly planned: PlannedModel[];
  readonly problems: PlanProblem[];
  readonly warnings: string[];
}

/**
 * Every output of a method with sidecars gets the models' measurements as further inputs, in the order of the models. Under `regmean`,
 * outputs without Gram matrices become weighted means.
 *
 * Problems: class `missing_sidecar` for a model without the file or a file without the tensor, `bad_sidecar` for one that does not fit.
 */
export function attachSidecars(
  method: string,
  outputs: readonly OutputTensor[],
  models: readonly PlannedFacts[],
  attachment: Attachment,
): OutputTensor[] {
  const file = sidecarFile(method);
  if (file === undefined) return [...outputs];
  const { planned, problems, warnings } = attachment;
  const opened = new Map<number, OpenSidecar>();
  for (const { index, text, facts } of models) {
    const used = outputs.some(
      ({ inputs, method: own }) => own?.name === method && inputs.some(({ model }) => model === index),
    );
    if (!used) continue;
    if (facts.adapter !== undefined || facts.sidecar === undefined) {
      problems.push(
        facts.adapter === undefined
          ? {
              className: 'missing_sidecar',
              message: `${text} has no ${file}, which ${method} weighs it by`,
              hint: `measure it on data of the model: \`heddle gather\` writes ${file} beside it`,
              model: text,
            }
          : {
              className: 'missing_sidecar',
              message: `${text} takes an adapter, and ${file} was not measured on the two together`,
              hint: 'merge model and adapter into a folder first (merge_method: passthrough), and measure that',
              model: text,
            },
      );
      continue;
    }
    const { sidecar } = facts;
    const examples = examplesOf(sidecar);
    const at =
      planned.push({
        reference: `${text}/${file}`,
        path: sidecar.path,
        sidecar: { of: index, ...(examples !== undefined && { examples }) },
      }) - 1;
    if (sidecar.metadata[SIDECAR_KEYS.model] === undefined)
      warnings.push(`${text}/${file} does not say which model it was measured on`);
    opened.set(index, { at, text, file, sidecar, used: new Set() });
  }
  for (const { text, file: name, sidecar } of opened.values())
    for (const [tensor, { dtype }] of sidecar.tensors)
      if (!isFloatDtype(dtype) || !isTensorDtype(dtype))
        problems.push({
          className: 'bad_sidecar',
          message: `${tensor} of ${text}/${name} is ${dtype}, and measurements are float numbers`,
          hint: 'store it as float32',
          ...{ tensor, model: text, actual: dtype },
        });
  if (problems.length > 0) return [...outputs];
  const attach = method === 'fisher' ? withFisher : withGrams;
  const attached = outputs.map((output) =>
    output.method?.name === method ? attach(output, opened, problems) : output,
  );
  for (const { text, sidecar, used } of opened.values()) {
    const unused = [...sidecar.tensors.keys()].filter((name) => !used.has(name));
    if (unused.length > 0)
      warnings.push(
        `${unused.length} of the ${sidecar.tensors.size} tensors of ${text}/${file} are not used, as ${unused[0]}`,
      );
  }
  return attached;
}

interface OpenSidecar {
  /** Index among the plan's models. */
  readonly at: number;
  readonly text: string;
  readonly file: string;
  readonly sidecar: SidecarFacts;
  /** Its tensors that outputs take. */
  readonly used: Set<string>;
}

type Problem = Pick<MergeError, 'className' | 'message' | 'hint'> & Partial<PlanProblem>;

function withFisher(
  output: OutputTensor,
  opened: ReadonlyMap<number, OpenSidecar>,
  problems: Problem[],
): OutputTensor {
  const fishers = output.inputs.map((input) => {
    const own = opened.get(input.model) as OpenSidecar;
    const { at, text, file, sidecar, used } = own;
    const found = sidecar.tensors.get(input.name);
    const place = { tensor: input.name, model: text };
    if (found === undefined) {
      problems.push({
        className: 'missing_sidecar',
        message: `${text}/${file} has no tensor ${input.name}`,
        hint: 'measure the whole model again, with one value for every weight',
        ...place,
      });
      return undefined;
    }
    used.add(input.name);
    if (String(found.shape) !== String(input.shape))
      problems.push({
        className: 'bad_sidecar',
        message: `${input.name} is [${found.shape}] in ${text}/${file} and [${input.shape}] in the model`,
        hint: 'measure this model again',
        ...place,
        expected: input.shape,
        actual: found.shape,
      });
    if (input.rows?.kind === 'permute')
      problems.push({
        className: 'bad_sidecar',
        message: `the rows of ${input.name} follow another vocabulary than that of ${text}/${file}`,
        hint: 'leave out the tokenizer setting: Fisher information cannot be made for rows that a model lacks',
        ...place,
      });
    const { rows } = input;
    return { model: at, name: input.name, ...found, ...(rows !== undefined && { rows }) };
  });
  return withMeasurements(output, fishers);
}

function withGrams(
  output: OutputTensor,
  opened: ReadonlyMap<number, OpenSidecar>,
  problems: Problem[],
): OutputTensor {
  const found = output.inputs.map((input) => findGram(input, opened.get(input.model) as OpenSidecar));
  const lacking = found.filter(({ gram }) => gram === undefined);
  if (lacking.length === found.length) return weightedMean(output);
  const isTransposed = output.global.conv1d === 1;
  const width = output.shape.length === 2 ? output.shape[isTransposed ? 0 : 1] : 0;
  for (const { own, module, gram } of found) {
    const { text, file } = own;
    const place = { tensor: output.name, model: text };
    if (gram === undefined) {
      problems.push({
        className: 'missing_sidecar',
        message: `${text}/${file} has no matrix for ${module}, which the other models have`,
        hint: 'measure all models alike, or take the matrix out of all',
        ...place,
      });
      continue;
    }
    const { shape } = gram;
    const fits = (n: number): boolean =>
      String(shape) === String([n, n]) || String(shape) === String([(n * (n + 1)) / 2]);
    if (fits(width)) continue;
    const turned = output.shape.length === 2 && fits(output.shape[isTransposed ? 1 : 0]);
    problems.push({
      className: 'bad_sidecar',
      message: `${module} is [${shape}] in ${text}/${file}, and ${output.name}, [${output.shape}], has ${width} inputs`,
      hint: turned
        ? `weights stored as [${isTransposed ? 'out, in] need' : 'in, out] need'} conv1d: ${!isTransposed} for this tensor`
        : 'measure this model again; only matrices [out, in] have Gram matrices',
      ...place,
      expected: [width, width],
      actual: shape,
    });
  }
  return withMeasurements(
    output,
    found.map(({ own, gram, name }) => gram && { model: own.at, name, ...gram }),
  );
}

function findGram({ name: tensor }: InputTensor, own: OpenSidecar) {
  const module = tensor.replace(/\.weight$/, '');
  const { sidecar, used } = own;
  const name = sidecar.tensors.has(module) ? module : (sharedModules(sidecar)[module] ?? module);
  const gram = sidecar.tensors.get(name);
  if (gram !== undefined) used.add(name);
  return { own, module, name, gram };
}

function sharedModules({ metadata }: SidecarFacts): Readonly<Record<string, string>> {
  try {
    const shared: unknown = JSON.parse(metadata[SIDECAR_KEYS.shared] ?? '{}');
    return typeof shared === 'object' && shared !== null ? (shared as Record<string, string>) : {};
  } catch {
    // What is no map names no module: the matrix counts as missing, with its own message.
    return {};
  }
}

function withMeasurements(
  output: OutputTensor,
  measurements: readonly (InputTensor | undefined)[],
): OutputTensor {
  const present = measurements.filter((input) => input !== undefined);
  return { ...output, inputs: [...output.inputs, ...present], measurements: present.length };
}

function weightedMean({ global: _, ...output }: OutputTensor): OutputTensor {
  return {
    ...output,
    method: linear,
    perModel: { weight: output.perModel.weight ?? [] },
    global: { normalize: 1 },
  };
}
