/** What happens between a batch's gradient and the new parameters, as whole-vector kernel calls. */
import type { ParamSpec } from '../tensor/param-spec.js';
import type { Lowering } from './lower/lowering.js';
import type { JobSpaces, TapeBuilder } from './lower/tape-builder.js';
import { runtimeScalar } from './step.js';
import type { ScalarOperand } from './tape.js';

export type Optimizer =
  | { readonly kind: 'sgd' }
  /** SGD with momentum as in PyTorch: v = momentum v + g, without dampening. */
  | { readonly kind: 'sgdm'; readonly momentum: number; readonly nesterov?: boolean }
  /** Kingma & Ba 2015. Defaults: 0.9, 0.999, 1e-8. */
  | { readonly kind: 'adam'; readonly beta1?: number; readonly beta2?: number; readonly epsilon?: number };

/**
 * g += a (w - center) + v. FedProx is a = mu and center 'initial'; SCAFFOLD is v = c - c_k; a regulariser with a weight for
 * every coordinate (EWC) is a = 'vector'.
 */
export interface AffineTerm {
  /** Names the spaces of the term: `<name>.center`, `<name>.v`, `<name>.a`. */
  readonly name: string;
  /** A number, or `vector`: bound as `<name>.a`. Default: 0. */
  readonly a?: number | 'vector';
  /** `initial`: the received parameters; `own`: bound as `<name>.center`; `zero`. Default: zero. */
  readonly center?: 'initial' | 'own' | 'zero';
  /** Whether `<name>.v` is bound and added. Default: false. */
  readonly v?: boolean;
}

export interface OptimizerSettings {
  readonly optimizer: Optimizer;
  readonly weightDecay: number;
  readonly maxGradNorm?: number;
  readonly terms: readonly AffineTerm[];
  readonly mask: boolean;
}

export function declareOptimizer(job: JobSpaces, { size }: ParamSpec, settings: OptimizerSettings): void {
  const { optimizer, terms, mask } = settings;
  job.space('gradient', 'gradient', 'f32', size);
  if (optimizer.kind === 'sgdm') job.space('velocity', 'state', 'f32', size);
  if (optimizer.kind === 'adam') {
    job.space('moment1', 'state', 'f32', size);
    job.space('moment2', 'state', 'f32', size);
  }
  for (const { name, a, center, v } of terms) {
    if (center === 'own') job.space(`${name}.center`, 'const', 'f32', size);
    if (v) job.space(`${name}.v`, 'const', 'f32', size);
    if (a === 'vector') job.space(`${name}.a`, 'const', 'f32', size);
    if (a === 'vector' && (center ?? 'zero') === 'zero') job.space('zero', 'state', 'f32', size);
  }
  if (mask) job.space('mask', 'const', 'u8', size);
}

/** State starts at zero in every job. */
export function resetOptimizer(before: TapeBuilder, { optimizer }: OptimizerSettings): void {
  const names = [];
  if (optimizer.kind === 'sgdm') names.push('velocity');
  if (optimizer.kind === 'adam') names.push('moment1', 'moment2');
  if (before.job.spaces.some((space) => space.name === 'zero')) names.push('zero');
  for (const name of names) before.call('fillF32', [before.place(name)], [{ literal: 0 }], 'input', name);
}

/**
 * Terms, mask, clip, then the step. Under a mask the weight decay is added by hand and masked too, since the step kernels would
 * let masked coordinates decay.
 */
export function emitOptimizer(
  lowering: Lowering,
  job: JobSpaces,
  spec: ParamSpec,
  { optimizer, weightDecay, maxGradNorm, terms, mask }: OptimizerSettings,
): void {
  const { tape } = lowering;
  const [gradient, params] = [tape.place('gradient'), tape.place('params')];
  const literal = (value: number): ScalarOperand => ({ literal: value });
  const none = tape.place('gradient', 0, 0);
  const runtime = (name: string) => runtimeScalar(job, name);
  const applyMask = () => {
    if (mask) lowering.emit('applyMaskF32', [gradient, tape.place('mask')], []);
  };
  for (const { name, a = 0, center = 'zero', v = false } of terms) {
    lowering.at('update', name);
    const centre = center === 'zero' ? none : tape.place(center === 'initial' ? 'initial' : `${name}.center`);
    const offset = v ? tape.place(`${name}.v`) : none;
    if (a === 'vector') {
      const origin = center === 'zero' ? tape.place('zero') : centre;
      lowering.emit('addAffineVectorF32', [gradient, tape.place(`${name}.a`), params, origin], []);
      if (v) lowering.emit('axpyF32', [gradient, offset], [literal(1)]);
    } else lowering.emit('addAffineTermF32', [gradient, params, centre, offset], [literal(a)]);
  }
  lowering.at('clip', 'gradient');
  applyMask();
  if (maxGradNorm !== undefined) {
    const norm2 = tape.scratch('f64', 1);
    lowering.emit('fillF64', [norm2], [literal(0)]);
    lowering.emit('sumSquaresRowsF32', [norm2, gradient], [literal(spec.size)]);
    lowering.emit('clipByNormF32', [gradient, norm2], [literal(maxGradNorm)]);
  }
  lowering.at('update', 'optimizer');
  const byHand = mask && weightDecay !== 0;
  if (byHand) {
    lowering.emit('addAffineTermF32', [gradient, params, none, none], [literal(weightDecay)]);
    applyMask();
  }
  const decay = literal(byHand ? 0 : weightDecay);
  if (optimizer.kind === 'adam') {
    const { beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8 } = optimizer;
    lowering.emit(
      'adamStepF32',
      [params, tape.place('moment1'), tape.place('moment2'), gradient],
      [
        ...[runtime('lr'), literal(beta1), literal(beta2), literal(epsilon), decay],
        ...[job.runtime('beta1Power', 'multiply', beta1), job.runtime('beta2Power', 'multiply', beta2)],
      ],
    );
  } else {
    const velocity = optimizer.kind === 'sgdm' ? tape.place('velocity') : none;
    const momentum = optimizer.kind === 'sgdm' ? optimizer.momentum : 0;
    const nesterov = optimizer.kind === 'sgdm' && optimizer.nesterov === true;
    lowering.emit(
      'sgdStepF32',
      [params, velocity, gradient],
      [runtime('lr'), literal(momentum), literal(Number(nesterov)), decay],
    );
  }
}
