import { describe, expect, it } from 'vitest';
import { createReference } from '../../src/kernels/reference.js';
import { graphProgram } from '../../src/program/bind-graph.js';
import { batchDim, elementCount, kBatch, resolveShape } from '../../src/program/dims.js';
import { runJob } from '../../src/program/execute.js';
import type { Graph, NodeId } from '../../src/program/graph.js';
import { interpret } from '../../src/program/interpret.js';
import { jvp } from '../../src/program/jvp.js';
import { primitives } from '../../src/program/primitives/registry.js';
import { vjp } from '../../src/program/vjp.js';
import { relativeError } from './golden-model.js';
import { buildCase, kCaseBatch, type PrimitiveCase, primitiveCases } from './primitive-cases.js';
import { uniforms } from './random.js';

const kStep = 1e-5;
/** Central differences with step 1e-5 in float64: truncation about 1e-10, cancellation about 1e-11. */
const kDerivative = 1e-7;
/** Float32 chains of at most a few hundred terms. */
const kFloat32 = 2e-5;
const random = { key0: 5, key1: 6, step: 1 };

type Feeds = Record<string, Float64Array>;

interface Derived {
  graph: Graph;
  output: NodeId;
  cotangent: NodeId;
  leaves: readonly NodeId[];
  gradients: readonly NodeId[];
  tangents: readonly NodeId[];
  outputTangent: NodeId | null;
}

/** The case with its gradients, and with the tangents of output and gradients: a gradient that is null is left out. */
function derive(primitiveCase: PrimitiveCase): Derived {
  const built = buildCase(primitiveCase);
  const { graph, gradients } = vjp(built.graph, built.output, built.cotangent, built.leaves);
  const present = gradients.filter((id) => id !== null);
  const second = jvp(graph, [built.output, ...present], built.leaves);
  const [outputTangent, ...tangents] = second.tangents;
  const moving = present.filter((_, i) => tangents[i] !== null);
  return {
    ...built,
    graph: second.graph,
    gradients: moving.length > 0 ? moving : present,
    tangents: tangents.filter((id) => id !== null),
    outputTangent,
  };
}

function feedsFor({ graph, leaves, cotangent }: Derived, positive = false): Feeds {
  const widths = { ...graph.widths, [kBatch]: kCaseBatch };
  const size = (id: NodeId) => elementCount(resolveShape(graph.nodes[id].shape, widths));
  const feeds: Feeds = { cotangent: uniforms(size(cotangent), 99), labels: Float64Array.of(2, 0, 3) };
  leaves.forEach((id, i) => {
    const values = uniforms(size(id), 20 + i);
    feeds[`x${i}`] = positive ? values.map((v) => Math.fround(0.7 + v / 2)) : values;
    feeds[`tangent:x${i}`] = uniforms(size(id), 40 + i);
  });
  return feeds;
}

const evaluate = (graph: Graph, ids: readonly NodeId[], feeds: Feeds) =>
  interpret(graph, ids, { batch: kCaseBatch, feeds, random });

/** Every leaf moved by `distance` along its tangent. */
function moved(feeds: Feeds, distance: number): Feeds {
  const shifted = Object.entries(feeds).map(([name, values]) => {
    const direction = feeds[`tangent:${name}`];
    return [name, direction ? values.map((v, i) => v + distance * direction[i]) : values];
  });
  return Object.fromEntries(shifted);
}

function centralDifference(graph: Graph, ids: readonly NodeId[], feeds: Feeds): Float64Array[] {
  const ahead = evaluate(graph, ids, moved(feeds, kStep));
  const behind = evaluate(graph, ids, moved(feeds, -kStep));
  return ahead.map((values, k) => values.map((v, i) => (v - behind[k][i]) / (2 * kStep)));
}

const dot = (a: Float64Array, b: Float64Array) => a.reduce((sum, v, i) => sum + v * b[i], 0);

describe.each(primitiveCases.map((each) => [each.name, each] as const))('%s', (_, primitiveCase) => {
  const derived = derive(primitiveCase);
  const feeds = feedsFor(derived, primitiveCase.positive);

  it('has the tangent of central differences', () => {
    const { outputTangent, graph, output } = derived;
    const [expected] = centralDifference(graph, [output], feeds);
    expect(outputTangent).not.toBeNull();
    if (outputTangent === null) return;
    const [actual] = evaluate(graph, [outputTangent], feeds);
    expect(relativeError(actual, expected)).toBeLessThan(kDerivative);
  });

  it('has the gradient of central differences, coordinate by coordinate', () => {
    const { graph, leaves, output, cotangent } = derived;
    const { graph: withGradients, gradients } = vjp(graph, output, cotangent, leaves);
    leaves.forEach((leaf, k) => {
      const name = graph.nodes[leaf].attributes.name ?? '';
      const gradient = gradients[k];
      const expected = feeds[name].map((_, i) => {
        const at = (distance: number) => {
          const values = feeds[name].map((v, j) => (i === j ? v + distance : v));
          return dot(evaluate(graph, [output], { ...feeds, [name]: values })[0], feeds.cotangent);
        };
        return (at(kStep) - at(-kStep)) / (2 * kStep);
      });
      const actual =
        gradient === null ? expected.map(() => 0) : evaluate(withGradients, [gradient], feeds)[0];
      expect(relativeError(actual, expected)).toBeLessThan(kDerivative);
    });
  });

  it('has the Hessian-vector product of central differences', () => {
    const { graph, gradients, tangents } = derived;
    if (tangents.length === 0) {
      // Linear in every leaf together with nothing else: the gradient does not move.
      const still = centralDifference(graph, gradients, feeds);
      for (const change of still) expect(Math.max(...change.map(Math.abs))).toBeLessThan(kDerivative);
      return;
    }
    const expected = centralDifference(graph, gradients, feeds);
    evaluate(graph, tangents, feeds).forEach((actual, k) => {
      expect(relativeError(actual, expected[k])).toBeLessThan(kDerivative);
    });
  });

  it('computes the same on a tape of float32 kernels', () => {
    const { graph, output, outputTangent, gradients, tangents } = derived;
    const ids = [output, ...(outputTangent === null ? [] : [outputTangent]), ...gradients, ...tangents];
    const names = ids.map((_, i) => `out${i}`);
    const outputs = Object.fromEntries(ids.map((id, i) => [names[i], id]));
    const program = graphProgram(graph, { batch: kCaseBatch, outputs });
    const bindings = Object.fromEntries(
      program.spaces
        .filter((space) => space.role !== 'arena')
        .map(({ name, dtype, length }) => {
          const values = feeds[name] ?? new Float64Array(length);
          return [name, dtype === 'i32' ? Int32Array.from(values) : Float32Array.from(values)];
        }),
    );
    const start: Record<string, number> = random;
    const scalars = program.scalars.map(({ name }) => start[name]);
    runJob(createReference(), { program, bindings, index: new Uint32Array(0), epochs: 1, scalars });
    evaluate(graph, ids, feeds).forEach((expected, k) => {
      expect(relativeError(bindings[names[k]], expected)).toBeLessThan(kFloat32);
    });
  });
});

it('stopGradient passes values and no derivative: d(x sg(exp x)) is exp x', () => {
  const { graph, leaves, output, cotangent } = buildCase({
    name: 'stopGradient',
    inputs: [[batchDim, 4]],
    build: (emit, [x]) => emit.op('multiply', [x, emit.op('stopGradient', [emit.op('exp', [x])])]),
  });
  const { graph: derived, gradients } = vjp(graph, output, cotangent, leaves);
  const x0 = uniforms(12, 3);
  const feeds = { x0, cotangent: x0.map(() => 1) };
  const [value, gradient] = evaluate(derived, [output, gradients[0] ?? -1], feeds);
  expect(
    relativeError(
      value,
      x0.map((v) => v * Math.exp(v)),
    ),
  ).toBeLessThan(1e-15);
  expect(relativeError(gradient, x0.map(Math.exp))).toBeLessThan(1e-15);
});

it('covers every primitive, and derivatives emit nothing else', () => {
  const seen = new Set(primitiveCases.flatMap((each) => derive(each).graph.nodes.map((node) => node.op)));
  const covered = [...seen, 'param', 'stopGradient'].sort();
  expect([...new Set(covered)]).toEqual(Object.keys(primitives).sort());
});
