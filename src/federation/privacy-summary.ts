import type { ResolvedConfig } from './config/resolve.js';
import { privacyVerdict } from './config/rules.js';
import type { RunSummary } from './events.js';
import type { RunSetup } from './setup.js';

/** What may be said about a run's privacy, with the noise that its pipeline has, whoever made the stage. */
export function privacySummary(
  { config, pipeline, cohortSize }: RunSetup,
  { objects }: ResolvedConfig,
): RunSummary['privacy'] {
  const { guarantee } = privacyVerdict(config, objects);
  const noise = noiseText(pipeline, cohortSize);
  return {
    epsilon: guarantee.epsilon ?? Number.POSITIVE_INFINITY,
    delta: noise === '' ? undefined : config.privacy.delta,
    guarantee: 'none',
    reasons: guarantee.reasons,
    noise,
  };
}

function noiseText({ stages, centralNoise }: RunSetup['pipeline'], cohortSize: number): string {
  const locals = stages.flatMap(({ localNoise }) => localNoise ?? []);
  const texts = [
    ...(centralNoise ? [`noise as for a cohort of ${centralNoise.noiseCohortSize ?? cohortSize}`] : []),
    ...(locals.length > 0 ? ["noise on every client's update"] : []),
  ];
  if (texts.length === 0) return '';
  const seeded = [...locals, ...(centralNoise ? [centralNoise] : [])].some(
    ({ source }) => source === 'simulation',
  );
  return `${texts.join(' and ')}${seeded ? ', seeded: no guarantee for this run' : ''}`;
}
