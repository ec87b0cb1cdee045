import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import type { SearchCheckpoint } from '../../../src/merge/evolve/checkpoint.js';
import { parseCheckpoint } from '../../../src/merge/evolve/checkpoint.js';
import { CheckpointError, EvaluationError, SearchAbortedError } from '../../../src/merge/evolve/errors.js';
import { type Candidate, evolve, type Search } from '../../../src/merge/evolve/evolve.js';
import { parameterGenome } from '../../../src/merge/evolve/parameter-genome.js';

const genome = parameterGenome({ models: ['a', 'b', 'c'], mergeMethod: 'linear' });
const search: Search = { genome, seed: 7, maxEvaluations: 140 };
const wanted = [0.2, 0.7, 0.4];

function weightsOf({ recipe }: Pick<Candidate, 'recipe'>): number[] {
  return (recipe.models as { parameters: { weight: number } }[]).map(({ parameters }) => parameters.weight);
}

/** Largest, 0, at the wanted weights. */
const evaluate = (candidate: Candidate): number =>
  -weightsOf(candidate).reduce((sum, w, i) => sum + (w - wanted[i]) ** 2, 0);

const later = <T>(value: T, ms: number): Promise<T> =>
  new Promise((done) => setTimeout(() => done(value), ms));

describe('evolve', () => {
  it('finds the weights, and its YAML says them to the bit', async () => {
    const result = await evolve({ ...search, maxEvaluations: 500 }, { evaluate });
    weightsOf(result).forEach((weight, i) => {
      expect(weight).toBeCloseTo(wanted[i], 4);
    });
    expect(parse(result.recipeText)).toEqual(result.recipe);
    expect(result.best.score).toBe(evaluate({ ...result } as unknown as Candidate));
    expect(result.history.at(-1)?.bestSoFar).toBe(result.best.score);
    expect(result.reason).toBe('max-evaluations');
  });

  it('gives the same result whatever runs side by side and finishes first', async () => {
    const alone = await evolve(search, { evaluate });
    const together = await evolve(search, {
      parallel: 5,
      evaluate: (candidate) => later(evaluate(candidate), (candidate.index * 7) % 5),
    });
    expect(together.history).toEqual(alone.history);
    expect(together.best).toEqual(alone.best);
    expect(together.checkpoint.cma).toEqual(alone.checkpoint.cma);
  });

  it('keeps the earliest of equal scores, whichever is finished first', async () => {
    const { best } = await evolve(
      { ...search, maxGenerations: 2 },
      { parallel: 7, evaluate: ({ index }) => later(1, 5 * (7 - index)) },
    );
    expect(best).toMatchObject({ generation: 1, index: 0 });
  });

  it('resumes with the same bits from every checkpoint, within generations too', async () => {
    const small = { ...search, maxEvaluations: 28 };
    const saved: string[] = [];
    const whole = await evolve(small, {
      evaluate,
      save: (checkpoint) => {
        saved.push(JSON.stringify(checkpoint));
      },
    });
    expect(saved.length).toBeGreaterThan(28);
    for (const text of saved) {
      const resumed = await evolve(small, { evaluate, resume: parseCheckpoint(text, 'test') });
      expect(resumed.history).toEqual(whole.history);
      expect(resumed.best).toEqual(whole.best);
      expect(JSON.stringify(resumed.checkpoint.cma)).toBe(JSON.stringify(whole.checkpoint.cma));
      expect(resumed.recipeText).toBe(whole.recipeText);
    }
  });

  it('stops on its signal and goes on to the same end, doing no finished candidate again', async () => {
    const whole = await evolve(search, { evaluate });
    const stop = new AbortController();
    let calls = 0;
    let last: SearchCheckpoint | undefined;
    const counted = (candidate: Candidate): number => {
      calls++;
      if (calls === 40) stop.abort(new Error('enough'));
      return evaluate(candidate);
    };
    const save = (checkpoint: SearchCheckpoint): void => {
      last = checkpoint;
    };
    await expect(evolve(search, { evaluate: counted, signal: stop.signal, save })).rejects.toThrow(
      SearchAbortedError,
    );
    const resumed = await evolve(search, { evaluate: counted, resume: last });
    expect(resumed.history).toEqual(whole.history);
    expect(calls).toBeLessThanOrEqual(whole.evaluations + 1);
  });

  it('ranks failed candidates last, tries them twice, and tells about them', async () => {
    const attempts = new Map<string, number>();
    const failed: number[] = [];
    const result = await evolve(
      { ...search, maxGenerations: 3 },
      {
        evaluate: (candidate) => {
          const key = `${candidate.generation}/${candidate.index}`;
          attempts.set(key, (attempts.get(key) ?? 0) + 1);
          if (candidate.index === 0) throw new Error('broken');
          return candidate.index === 1 ? Number.NaN : evaluate(candidate);
        },
        onFailure: ({ index }) => {
          failed.push(index);
        },
      },
    );
    expect(failed).toEqual([0, 1, 0, 1, 0, 1]);
    expect([...attempts.values()].filter((count) => count === 2)).toHaveLength(6);
    expect(result.history.map((record) => record.failed)).toEqual([2, 2, 2]);
    expect(result.best.index).toBeGreaterThan(1);
  });

  it('says so when nothing can be evaluated', async () => {
    const broken = evolve(search, {
      evaluate: () => {
        throw new Error('no such program');
      },
    });
    await expect(broken).rejects.toThrow(EvaluationError);
    await expect(broken).rejects.toThrow(/no such program/);
  });

  it('evaluates a recipe once', async () => {
    // One density above 1 and another decode to the same recipe.
    const clamped = parameterGenome({ models: ['a'], mergeMethod: 'sce', baseModel: 'base' });
    const seen: string[] = [];
    await evolve(
      { genome: clamped, seed: 1, sigma: 2, maxGenerations: 4 },
      {
        parallel: 3,
        evaluate: ({ recipeText }) => {
          seen.push(recipeText);
          return later(Number(recipeText.length), 1);
        },
      },
    );
    expect(new Set(seen).size).toBe(seen.length);
  });

  it('restarts with twice the population where CMA-ES has converged', async () => {
    const sizes: number[] = [];
    const result = await evolve(
      { genome, seed: 3, restarts: 2, populationSize: 6 },
      { evaluate: () => 1, onCandidate: (_done, of) => sizes.push(of) },
    );
    expect(result.checkpoint.stops).toEqual(['flatfitness', 'flatfitness']);
    expect(result.reason).toBe('flatfitness');
    expect([...new Set(sizes)]).toEqual([6, 12, 24]);
    expect(result.history.map(({ restart }) => restart)).toEqual([0, 0, 1, 1, 2, 2]);
  });

  it('ends at the target', async () => {
    const result = await evolve({ ...search, target: -0.01 }, { evaluate });
    expect(result.reason).toBe('target');
    expect(result.best.score).toBeGreaterThanOrEqual(-0.01);
  });

  it('goes on from its end when a limit is raised', async () => {
    const first = await evolve({ ...search, maxGenerations: 2 }, { evaluate });
    const more = await evolve({ ...search, maxGenerations: 5 }, { evaluate, resume: first.checkpoint });
    const whole = await evolve({ ...search, maxGenerations: 5 }, { evaluate });
    expect(first.reason).toBe('max-generations');
    expect(more.history).toEqual(whole.history);
  });

  it('refuses the checkpoint of another search', async () => {
    const { checkpoint } = await evolve({ ...search, maxGenerations: 1 }, { evaluate });
    await expect(evolve({ ...search, seed: 8 }, { evaluate, resume: checkpoint })).rejects.toThrow(
      CheckpointError,
    );
    expect(() => parseCheckpoint('{"version": 1}', 'x')).toThrow(CheckpointError);
    expect(() => parseCheckpoint('nonsense', 'x')).toThrow(CheckpointError);
  });
});
