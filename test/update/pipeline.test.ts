import { describe, expect, it } from 'vitest';
import { createAggregator } from '../../src/combine/aggregator.js';
import { InvalidArgumentError, ShapeMismatchError } from '../../src/errors.js';
import { sgd } from '../../src/federation/strategies/server-optimizer.js';
import type { Kernels } from '../../src/kernels/kernels.js';
import { clip } from '../../src/update/clip.js';
import { fisherDropout } from '../../src/update/fisher-dropout.js';
import { gaussianNoise } from '../../src/update/gaussian-noise.js';
import { createPipeline } from '../../src/update/pipeline.js';
import { quantize } from '../../src/update/quantize.js';
import { dense, type Payload, type Stage } from '../../src/update/stage.js';
import { backends } from '../support/backends.js';
import { bitsOf, distinct, memoryState, mlp, planContext } from './fixtures.js';

const spec = mlp(3, 8, 4, 2);
const [kernels] = backends;

/** Keeps the listed units of fc1.out, by client. */
function chooses(units: (client: number) => number[], fullDownload = false): Stage {
  return {
    name: 'chooses',
    async plan({ spec: full, client }) {
      const kept = new Map([['fc1.out', Uint32Array.from(units(client))]]);
      const widths = { 'fc1.out': units(client).length };
      return { kept, spec: full.atWidths(widths), positionBytes: 1, fullDownload };
    },
  };
}

/** Rounds a model to multiples of 1 / 4 on its way down; a byte for each value. */
const coarse: Stage = {
  name: 'coarse',
  download: {
    encode(payload) {
      if (payload.kind !== 'dense') throw new Error(payload.kind);
      return {
        ...payload,
        values: payload.values.map((v) => Math.round(4 * v)),
        bytes: payload.values.length,
      };
    },
    decode(payload) {
      if (payload.kind !== 'dense') throw new Error(payload.kind);
      return dense(payload.values.map((v) => v / 4));
    },
  },
};
const toQuarters = (values: Float32Array): number[] => [...values].map((v) => Math.round(4 * v) / 4);

/** Two rounds of a federation in which client c adds c + 1 times 0.01 (index + 1) to what it holds. */
async function federation(each: Kernels, stages: readonly Stage[], clients: number): Promise<Float32Array> {
  const pipeline = createPipeline(stages);
  const aggregator = createAggregator({ kernels: each, size: spec.size, maxNorm: pipeline.maxNorm });
  const states = Array.from({ length: clients }, memoryState);
  const global = distinct(spec.size);
  for (let round = 0; round < 2; round++) {
    for (let client = 0; client < clients; client++) {
      const context = planContext(each, spec, { round, client, state: states[client], global });
      const delivery = await pipeline.deliver(context);
      const update = delivery.params.map((value, i) => (client + 1) * 0.01 * (i + 1) + value - value);
      const receipt = pipeline.receive(update, delivery, context, false);
      aggregator.add(receipt.update, { slot: client, weight: client + 1 });
    }
    each.axpyF32(global, aggregator.finish(), 1);
  }
  return global;
}

for (const each of backends)
  describe(`the pipeline on ${each.backend}`, () => {
    it('at rate 0 without noise is FedAvg to the bit', async () => {
      const plain = await federation(each, [], 5);
      expect(bitsOf(await federation(each, [fisherDropout({ rates: [0] })], 5))).toEqual(bitsOf(plain));
      expect(plain.every((v, i) => v !== distinct(spec.size)[i])).toBe(true);
    });

    it('gives each coordinate the value of its one holder, and leaves what nobody holds to the bit', async () => {
      const pipeline = createPipeline([chooses((client) => (client === 0 ? [0, 3] : [5, 6]))]);
      const aggregator = createAggregator({ kernels: each, size: spec.size, denominator: 'holders' });
      const global = distinct(spec.size);
      global[spec.get('fc1.weight').offset + 3] = -0; // Row 1: held by nobody.
      const before = global.slice();
      for (const client of [0, 1]) {
        const context = planContext(each, spec, { client, global });
        const delivery = await pipeline.deliver(context);
        const update = new Float32Array(delivery.params.length).fill(client + 1);
        const { update: full, mask } = pipeline.receive(update, delivery, context, true);
        aggregator.add(full, { mask, weight: 10 * (client + 1) });
      }
      const delta = aggregator.finish();
      const rows = spec.slice(delta, 'fc1.weight');
      [1, 0, 0, 1, 0, 2, 2, 0].forEach((value, unit) => {
        expect([...rows.subarray(3 * unit, 3 * unit + 3)], `row ${unit}`).toEqual([value, value, value]);
      });
      // Shared by both: (10 * 1 + 20 * 2) / 30.
      expect([...spec.slice(delta, 'fc3.bias')]).toEqual([Math.fround(5 / 3), Math.fround(5 / 3)]);
      expect([...spec.slice(delta, 'fc2.weight').subarray(0, 8)]).toEqual([1, 0, 0, 1, 0, 2, 2, 0]);
      const held = aggregator.held ?? new Uint8Array();
      expect([...held].every((h, i) => h === 1 || delta[i] === 0)).toBe(true);
      expect(held.reduce((sum, h) => sum + h, 0)).toBe(spec.size - 4 * 4 - 4 * 4);
      sgd({ lr: 1, momentum: 0.9 }).step(each, global, delta, { velocity: before.slice() }, held);
      const [after, start] = [bitsOf(global), bitsOf(before)];
      held.forEach((h, i) => {
        expect(after[i] === start[i], `element ${i}`).toBe(h === 0);
      });
    });

    it('gives a receipt no trace of the client before', async () => {
      const pipeline = createPipeline([chooses((client) => (client === 0 ? [0, 3] : [5, 6]))]);
      for (const client of [0, 1]) {
        const context = planContext(each, spec, { client });
        const delivery = await pipeline.deliver(context);
        const ones = new Float32Array(delivery.params.length).fill(1);
        const { update } = pipeline.receive(ones, delivery, context, false);
        expect(update.filter((v) => v !== 0)).toHaveLength(delivery.params.length);
      }
    });

    it('noises the values that are sent and no others', async () => {
      const noise = gaussianNoise({ where: 'client', noiseMultiplier: 1, maxNorm: 1, source: 'simulation' });
      const pipeline = createPipeline([chooses(() => [2]), clip({ maxNorm: 1 }), noise]);
      const context = planContext(each, spec);
      const delivery = await pipeline.deliver(context);
      const nSent = delivery.params.length;
      const { update, mask } = pipeline.receive(new Float32Array(nSent), delivery, context, true);
      expect(update.filter((v) => v !== 0)).toHaveLength(nSent);
      expect([...update].every((v, i) => (v !== 0) === (mask?.[i] === 1))).toBe(true);
    });

    it('counts the bytes of clip and int8 as n + 4 ceil(n / block)', async () => {
      const pipeline = createPipeline([clip({ maxNorm: 1 }), quantize({ format: 'int8', block: 16 })]);
      const context = planContext(each, spec);
      const delivery = await pipeline.deliver(context);
      expect(delivery.wire).toEqual([{ name: 'dense', direction: 'download', bytes: 4 * spec.size }]);
      const { wire, mask } = pipeline.receive(distinct(spec.size), delivery, context, false);
      expect(mask).toBeUndefined();
      expect(wire).toEqual([
        { name: 'quantize', direction: 'upload', bytes: spec.size + 4 * Math.ceil(spec.size / 16) },
      ]);
    });

    it('decodes to what was encoded, up to the steps of the codes', async () => {
      const pipeline = createPipeline([clip({ maxNorm: 100 }), quantize({ format: 'int8', block: 16 })]);
      const context = planContext(each, spec);
      const sent = distinct(spec.size);
      const { update } = pipeline.receive(sent.slice(), await pipeline.deliver(context), context, false);
      update.forEach((value, i) => {
        expect(Math.abs(value - sent[i])).toBeLessThanOrEqual((0.001 * spec.size) / 127 / 2 + 1e-9);
      });
    });
  });

describe('the bound that the server enforces', () => {
  const local = gaussianNoise({ where: 'client', noiseMultiplier: 1, maxNorm: 2, source: 'simulation' });

  it('is that of the last clip', () => {
    expect(createPipeline([]).maxNorm).toBeUndefined();
    expect(createPipeline([clip({ maxNorm: 2 }), quantize({ format: 'int8' })]).maxNorm).toBe(2);
    expect(createPipeline([clip({ maxNorm: 2 }), clip({ maxNorm: 0.5 })]).maxNorm).toBe(0.5);
  });

  it('is none after local noise, which is as large as it has to be', async () => {
    const pipeline = createPipeline([clip({ maxNorm: 2 }), local]);
    expect(pipeline.maxNorm).toBeUndefined();
    expect(createPipeline([clip({ maxNorm: 2 }), local, clip({ maxNorm: 9 })]).maxNorm).toBe(9);
  });

  it('is what central noise is calibrated to', () => {
    const central = (maxNorm: number): Stage =>
      gaussianNoise({ where: 'server', noiseMultiplier: 1, maxNorm, source: 'simulation' });
    expect(createPipeline([clip({ maxNorm: 2 }), central(2)]).centralNoise).toMatchObject({ maxNorm: 2 });
    expect(() => createPipeline([clip({ maxNorm: 2 }), central(1)])).toThrow(
      /at least 2, the bound of the last clip/,
    );
    expect(() => createPipeline([central(1)])).toThrow(InvalidArgumentError);
    expect(() => createPipeline([clip({ maxNorm: 2 }), local, central(2)])).toThrow(InvalidArgumentError);
    expect(() => createPipeline([clip({ maxNorm: 2 }), central(2), central(2)])).toThrow(
      /in one stage at most/,
    );
  });
});

describe('what a user puts into the pipeline', () => {
  const global = distinct(spec.size, 0.01);
  const context = planContext(kernels, spec, { global });

  it('may change the model on its way down: the client starts from what it received', async () => {
    const { params, wire } = await createPipeline([coarse]).deliver(context);
    expect([...params]).toEqual(toQuarters(global));
    expect(wire).toEqual([{ name: 'coarse', direction: 'download', bytes: spec.size }]);
    expect([...global]).toEqual([...distinct(spec.size, 0.01)]);
  });

  it.each([
    ['the full model, cut by the client', true],
    ['the sub-model', false],
  ])('may change %s on its way down', async (_name, fullDownload) => {
    const stages = [chooses(() => [1, 4, 7], fullDownload), coarse];
    const exact = await createPipeline(stages.slice(0, 1)).deliver(context);
    const { params, plan, wire } = await createPipeline(stages).deliver(context);
    expect([...params]).toEqual(toQuarters(exact.params));
    expect(params).toHaveLength(plan?.spec.size ?? 0);
    expect(wire[0].bytes).toBe(fullDownload ? spec.size : params.length);
  });

  it('decodes downloads in reverse order', async () => {
    const log: string[] = [];
    const logs = (name: string): Stage => ({
      name,
      download: {
        encode: (payload) => {
          log.push(`encode ${name}`);
          return payload;
        },
        decode: (payload) => {
          log.push(`decode ${name}`);
          return payload;
        },
      },
    });
    await createPipeline([logs('a'), logs('b')]).deliver(context);
    expect(log).toEqual(['encode a', 'encode b', 'decode b', 'decode a']);
  });

  it('cannot leave codes, another length or no count of bytes behind', async () => {
    const encodes = (encode: (payload: Payload) => Payload): Stage['upload'] => ({
      encode,
      decode: (p) => p,
    });
    const coded = encodes(() => ({ kind: 'f16', codes: new Uint16Array(spec.size), bytes: 2 * spec.size }));
    const short = encodes(() => dense(new Float32Array(2)));
    const uncounted = encodes((payload) => ({ ...payload, bytes: Number.NaN }));
    for (const [codec, error] of [
      [coded, InvalidArgumentError],
      [short, ShapeMismatchError],
      [uncounted, InvalidArgumentError],
    ] as const) {
      await expect(createPipeline([{ name: 'own', download: codec }]).deliver(context)).rejects.toThrow(
        error,
      );
      const pipeline = createPipeline([{ name: 'own', upload: codec }]);
      const delivery = await pipeline.deliver(context);
      expect(() => pipeline.receive(distinct(spec.size), delivery, context, false)).toThrow(error);
    }
  });

  it('chooses sub-models in its first stage alone', () => {
    expect(() => createPipeline([clip({ maxNorm: 1 }), fisherDropout({ rates: [0.5] })])).toThrow(
      /stage 2 \(fisher-dropout\) must be the first/,
    );
  });

  it('masks everything where nothing was cut', async () => {
    const pipeline = createPipeline([]);
    const { mask } = pipeline.receive(distinct(spec.size), await pipeline.deliver(context), context, true);
    expect(mask).toEqual(new Uint8Array(spec.size).fill(1));
  });
});
