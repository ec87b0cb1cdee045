import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkPrivacyRules, type PrivacyPlan, type PrivacyStage } from '../../src/privacy/rules.js';

const clip: PrivacyStage = { kind: 'clip', maxNorm: 1 };
const secure: PrivacyStage = { kind: 'gaussian-noise', where: 'server', source: 'secure' };
const local: PrivacyStage = { kind: 'gaussian-noise', where: 'client', source: 'secure' };
const publicSupport: PrivacyStage = { kind: 'sub-model', selection: 'public-random' };
const privateSupport: PrivacyStage = { kind: 'sub-model', selection: 'private-fisher' };

const plan = (change: Partial<PrivacyPlan>): PrivacyPlan => ({
  stages: [clip, secure],
  reduce: 'fixed-denominator',
  weightedBy: 'uniform',
  cohortSize: 10,
  accountant: 'some-accountant',
  unaccounted: 'refuse',
  ...change,
});
const refused = (change: Partial<PrivacyPlan>) =>
  checkPrivacyRules(plan(change)).problems.map((problem) => problem.rule);
const reasons = (change: Partial<PrivacyPlan>) => checkPrivacyRules(plan(change)).guarantee.reasons;

describe('central and local noise', () => {
  it('passes after a clip, with equal weights and a fixed denominator, and leaves epsilon to the accountant', () => {
    const { problems, guarantee } = checkPrivacyRules(plan({}));
    expect(problems).toEqual([]);
    expect(guarantee).toEqual({ epsilon: undefined, reasons: [] });
  });

  it.each([secure, local])('needs a clip before it ($where)', (noise) => {
    expect(refused({ stages: [noise] })).toEqual(['noise-needs-clip']);
    expect(refused({ stages: [noise, clip] })).toEqual(['noise-needs-clip']);
  });

  it('needs weights that one client cannot inflate', () => {
    expect(refused({ weightedBy: 'num-examples' })).toEqual(['noise-needs-bounded-weights']);
    expect(refused({ weightedBy: 'num-examples', weightCap: 50 })).toEqual([]);
  });

  it('needs a public denominator', () => {
    expect(refused({ reduce: 'weighted-mean' })).toEqual(['noise-needs-fixed-denominator']);
    expect(refused({ reduce: 'mean-of-holders', stages: [clip, local], unaccounted: 'allow' })).toEqual([
      'noise-needs-fixed-denominator',
    ]);
  });

  it('asks nothing of a run without noise', () => {
    expect(refused({ stages: [], reduce: 'mean-of-holders', weightedBy: 'num-examples' })).toEqual([]);
  });
});

describe('what no accountant covers', () => {
  it('is refused, and named with the stage to change', () => {
    const [problem] = checkPrivacyRules(plan({ stages: [privateSupport, clip, secure] })).problems;
    expect(problem).toMatchObject({
      rule: 'unaccounted-selection',
      subject: { part: 'stage', index: 0 },
    });
    expect(problem?.hint).toContain('privacy.unaccounted');
    expect(refused({ reduce: 'mean-of-holders' })).toEqual(['holders-under-central-noise']);
    expect(refused({ reduce: 'custom' })).toEqual(['noise-needs-fixed-denominator']);
  });

  it('passes when allowed, with epsilon infinite and the reason said', () => {
    const stages = [privateSupport, clip, secure];
    const { problems, guarantee } = checkPrivacyRules(plan({ stages, unaccounted: 'allow' }));
    expect(problems).toEqual([]);
    expect(guarantee).toEqual({
      epsilon: Number.POSITIVE_INFINITY,
      reasons: ['the FisherDropout choice is unaccounted'],
    });
    expect(reasons({ reduce: 'mean-of-holders', unaccounted: 'allow' })).toEqual([
      'the mean of holders divides by private counts',
    ]);
  });

  it('is a merge rule, and what clients measure for it', () => {
    const rule = { reduce: 'ties', merges: true };
    expect(refused(rule)).toEqual(['sensitivity-unknown']);
    expect(refused({ ...rule, stages: [clip, local] })).toEqual(['sensitivity-unknown']);
    expect(refused({ ...rule, unaccounted: 'allow', budgetEpsilon: 1 })).toEqual(['sensitivity-unknown']);
    expect(refused({ ...rule, stages: [clip] })).toEqual([]);
    expect(reasons({ ...rule, unaccounted: 'allow' })).toEqual(['the sensitivity of ties is not known']);
    const measuring = { reduce: 'fisher', merges: true, measured: 'Fisher information' };
    expect(refused(measuring)).toEqual(['sensitivity-unknown', 'unaccounted-statistics']);
    expect(reasons({ ...measuring, unaccounted: 'allow' })).toEqual([
      'the sensitivity of fisher is not known',
      'Fisher information of every client leave it without noise',
    ]);
  });

  it('stays refused under a budget', () => {
    const stages = [privateSupport, clip, secure];
    expect(refused({ stages, unaccounted: 'allow', budgetEpsilon: 2 })).toEqual(['unaccounted-selection']);
  });

  it('is not a public or an accounted choice', () => {
    expect(refused({ stages: [publicSupport, clip, secure] })).toEqual([]);
    expect(refused({ stages: [{ ...privateSupport, accounted: true }, clip, secure] })).toEqual([]);
  });
});

it('names every reason why a run has no guarantee', () => {
  const noise: PrivacyStage = {
    kind: 'gaussian-noise',
    where: 'server',
    source: 'simulation',
    noiseCohortSize: 1000,
  };
  expect(
    reasons({ stages: [privateSupport, clip, noise], accountant: 'none', unaccounted: 'allow' }),
  ).toEqual([
    'noise from the simulation generator',
    'noise as for a cohort of 1000',
    'the FisherDropout choice is unaccounted',
    'no accountant is configured',
  ]);
  expect(reasons({ stages: [clip], accountant: 'none' })).toContain('no noise is added');
});

it('never leaves epsilon to an accountant where one of the rules is bent', () => {
  const stage = fc.constantFrom<PrivacyStage>(clip, secure, local, publicSupport, privateSupport, {
    kind: 'custom',
    name: 'own',
  });
  const plans = fc.record({
    stages: fc.array(stage, { maxLength: 5 }),
    reduce: fc.constantFrom('weighted-mean', 'fixed-denominator', 'mean-of-holders', 'custom'),
    merges: fc.boolean(),
    measured: fc.option(fc.constant('Fisher information'), { nil: undefined }),
    weightedBy: fc.constantFrom('uniform' as const, 'num-examples' as const),
    unaccounted: fc.constantFrom('refuse' as const, 'allow' as const),
  });
  fc.assert(
    fc.property(plans, (change) => {
      const { problems, guarantee } = checkPrivacyRules(plan(change));
      if (problems.length > 0 || guarantee.epsilon !== undefined) return;
      const noise = change.stages.findIndex((s) => s.kind === 'gaussian-noise');
      expect(noise).toBeGreaterThanOrEqual(0);
      expect(change.stages.slice(0, noise).some((s) => s.kind === 'clip')).toBe(true);
      expect(change.reduce).toBe('fixed-denominator');
      expect(change.merges).toBe(false);
      expect(change.measured).toBeUndefined();
      expect(change.weightedBy).toBe('uniform');
      expect(change.stages).not.toContain(privateSupport);
      expect(change.stages.some((s) => s.kind === 'custom')).toBe(false);
    }),
    { seed: 1, numRuns: 500 },
  );
});
