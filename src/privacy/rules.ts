/**
 * Rules that keep a differential-privacy claim honest: which combinations of noise, weights, reduction and
 * selection can carry a guarantee at all. Accountants put numbers on what passes here.
 */

/** One stage of an update pipeline, as far as privacy is concerned, in pipeline order. */
export type PrivacyStage =
  | {
      readonly kind: 'sub-model';
      /** How the support of an update was chosen: from private data, or from public randomness. */
      readonly selection: 'private-fisher' | 'public-random';
      /** Whether the selection itself has a cost that an accountant knows. */
      readonly accounted?: boolean;
    }
  | { readonly kind: 'clip'; readonly maxNorm: number }
  | { readonly kind: 'quantize' }
  | {
      readonly kind: 'gaussian-noise';
      readonly where: 'server' | 'client';
      readonly source: 'simulation' | 'secure';
      /** Noise is scaled as for a cohort of this size, in clients. */
      readonly noiseCohortSize?: number;
    }
  | { readonly kind: 'custom'; readonly name: string };

/** What the rules look at. */
export interface PrivacyPlan {
  readonly stages: readonly PrivacyStage[];
  /** Name of the reduction; `custom`: a strategy object reduces by itself. */
  readonly reduce: string;
  /** Whether the reduction is a merge rule, whose sensitivity is not known. */
  readonly merges?: boolean;
  /** What clients measure on their data and send beside the update without noise, in words; absent: nothing. */
  readonly measured?: string;
  readonly weightedBy: 'uniform' | 'num-examples';
  /** Examples at which a weight saturates, so that weights lie in (0, 1]; absent: weights are unbounded. */
  readonly weightCap?: number;
  /** Clients of a simulated round (expected number). */
  readonly cohortSize?: number;
  readonly accountant: string;
  /** Epsilon that the run may spend; absent or 0: no budget. */
  readonly budgetEpsilon?: number;
  readonly unaccounted: 'refuse' | 'allow';
}

export type PrivacyRule =
  | 'noise-needs-clip'
  | 'noise-needs-fixed-denominator'
  | 'noise-needs-bounded-weights'
  | 'holders-under-central-noise'
  | 'unaccounted-selection'
  | 'sensitivity-unknown'
  | 'unaccounted-statistics';

/** A combination that is refused. `subject` says which part of the plan to change. */
export interface PrivacyProblem {
  readonly rule: PrivacyRule;
  readonly subject:
    | { readonly part: 'stage'; readonly index: number }
    | { readonly part: 'reduce' | 'weights' };
  readonly message: string;
  readonly hint: string;
}

/** What may be said about privacy of a run that was not refused. */
export interface PrivacyGuarantee {
  /** Infinity: no (epsilon, delta) guarantee. Undefined: the accountant decides. */
  readonly epsilon: number | undefined;
  /** Why there is no guarantee, one sentence fragment each; empty when an accountant decides. */
  readonly reasons: readonly string[];
}

export interface PrivacyVerdict {
  readonly problems: readonly PrivacyProblem[];
  readonly guarantee: PrivacyGuarantee;
}

const ALLOW = 'set privacy.unaccounted to allow; the run then reports epsilon as infinity';

/**
 * Checks a plan against the rules of central and local noise.
 *
 * Noise is calibrated to the clip bound, so a clip must come before it; weights must be uniform or capped and the
 * denominator public and fixed, or one client could move the result by more than the bound (McMahan et al. 2018,
 * "Learning Differentially Private Recurrent Language Models", section 3). A support chosen from private data, a mean over
 * realised holders under central noise, a merge rule and statistics sent beside the update all leak outside the noise: they
 * need `unaccounted: 'allow'`, and are refused under a budget even then.
 */
export function checkPrivacyRules(plan: PrivacyPlan): PrivacyVerdict {
  const problems: PrivacyProblem[] = [];
  const reasons: string[] = [];
  const mayPass =
    plan.unaccounted === 'allow' && !(plan.budgetEpsilon !== undefined && plan.budgetEpsilon > 0);
  const noises = plan.stages.flatMap((stage, index) =>
    stage.kind === 'gaussian-noise' ? [{ stage, index }] : [],
  );
  const centralNoise = noises.some(({ stage }) => stage.where === 'server');

  for (const { index } of noises)
    if (!plan.stages.slice(0, index).some((stage) => stage.kind === 'clip'))
      problems.push({
        rule: 'noise-needs-clip',
        subject: { part: 'stage', index },
        message: 'has no clip before it, so its standard deviation would be relative to no bound',
        hint: 'put a clip stage before gaussian-noise, as `- clip: { max-norm: 1.0 }`',
      });

  if (noises.length > 0 && plan.weightedBy === 'num-examples' && plan.weightCap === undefined)
    problems.push({
      rule: 'noise-needs-bounded-weights',
      subject: { part: 'weights' },
      message:
        'is num-examples without a cap, under gaussian-noise: a large client would exceed the clip bound',
      hint: 'set strategy.weighted-by to uniform, or cap the weight with strategy.weight-cap',
    });

  const holders = plan.reduce === 'mean-of-holders';
  if (holders && centralNoise) {
    if (!mayPass)
      problems.push({
        rule: 'holders-under-central-noise',
        subject: { part: 'reduce' },
        message: 'is mean-of-holders under central gaussian-noise: its denominators depend on who took part',
        hint: `set update.reduce to fixed-denominator, or ${ALLOW}`,
      });
    else reasons.push('the mean of holders divides by private counts');
  } else if (noises.length > 0 && plan.reduce === 'custom' && mayPass)
    reasons.push("the strategy's own reduction is unaccounted");
  else if (noises.length > 0 && plan.reduce === 'custom')
    problems.push({
      rule: 'noise-needs-fixed-denominator',
      subject: { part: 'reduce' },
      message: 'is left to a strategy object under gaussian-noise: its denominator is not known',
      hint: `use a built-in strategy with fixed-denominator, or ${ALLOW}`,
    });
  else if (noises.length > 0 && plan.merges && mayPass)
    reasons.push(`the sensitivity of ${plan.reduce} is not known`);
  else if (noises.length > 0 && plan.merges)
    problems.push({
      rule: 'sensitivity-unknown',
      subject: { part: 'reduce' },
      message: `is ${plan.reduce} under gaussian-noise: how far one client can move its result is not known`,
      hint: `set update.reduce to fixed-denominator, or ${ALLOW}`,
    });
  else if (noises.length > 0 && plan.reduce !== 'fixed-denominator')
    problems.push({
      rule: 'noise-needs-fixed-denominator',
      subject: { part: 'reduce' },
      message: `is ${plan.reduce} under gaussian-noise: its denominator is the realised cohort, not a public number`,
      hint: 'set update.reduce to fixed-denominator',
    });

  if (noises.length > 0 && plan.measured !== undefined && mayPass)
    reasons.push(`${plan.measured} of every client leave it without noise`);
  else if (noises.length > 0 && plan.measured !== undefined)
    problems.push({
      rule: 'unaccounted-statistics',
      subject: { part: 'reduce' },
      message: `is ${plan.reduce}: clients send ${plan.measured} of their data beside the update, without noise`,
      hint: `set update.reduce to fixed-denominator, or ${ALLOW}`,
    });

  plan.stages.forEach((stage, index) => {
    if (stage.kind !== 'sub-model' || stage.selection !== 'private-fisher' || stage.accounted === true)
      return;
    if (!mayPass)
      problems.push({
        rule: 'unaccounted-selection',
        subject: { part: 'stage', index },
        message: 'chooses units from private data (private-fisher) and no accountant covers the choice',
        hint: `set selection to public-random, or ${ALLOW}`,
      });
    else reasons.push('the FisherDropout choice is unaccounted');
  });

  return {
    problems,
    guarantee: guaranteeOf(
      plan,
      noises.map(({ stage }) => stage),
      reasons,
    ),
  };
}

function guaranteeOf(
  plan: PrivacyPlan,
  noises: readonly Extract<PrivacyStage, { kind: 'gaussian-noise' }>[],
  allowed: readonly string[],
): PrivacyGuarantee {
  const reasons: string[] = [];
  if (noises.length === 0) reasons.push('no noise is added');
  if (noises.some((noise) => noise.source === 'simulation'))
    reasons.push('noise from the simulation generator');
  for (const { noiseCohortSize } of noises)
    if (noiseCohortSize !== undefined && noiseCohortSize !== plan.cohortSize)
      reasons.push(`noise as for a cohort of ${noiseCohortSize}`);
  reasons.push(...allowed);
  for (const stage of plan.stages)
    if (stage.kind === 'custom') reasons.push(`the stage ${stage.name} is unaccounted`);
  if (plan.accountant === 'none') reasons.push('no accountant is configured');
  return { epsilon: reasons.length > 0 ? Number.POSITIVE_INFINITY : undefined, reasons };
}
