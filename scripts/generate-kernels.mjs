// Derives from src/kernels/table.ts: C++ declarations, the table of each instruction set, N-API bindings, the tape's dispatch,
// the TypeScript interface and the list of WASM exports. `--check` changes nothing and exits 1 where a file would differ.
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));
const note = 'Generated from src/kernels/table.ts by scripts/generate-kernels.mjs; do not edit.';
const cType = {
  f32: 'float',
  f64: 'double',
  u8: 'std::uint8_t',
  i8: 'std::int8_t',
  u16: 'std::uint16_t',
  i32: 'std::int32_t',
  u32: 'std::uint32_t',
};
const napiType = {
  f32: 'float32',
  f64: 'float64',
  u8: 'uint8',
  i8: 'int8',
  u16: 'uint16',
  i32: 'int32',
  u32: 'uint32',
};
const tsArray = { f32: 'F32', f64: 'F64', u8: 'U8', i8: 'I8', u16: 'U16', i32: 'I32', u32: 'U32' };

const { specs, kernelNames, lengthSymbols, symbolSources, parseRequirement } = await loadTable();
const kernels = kernelNames.map((name) => {
  const spec = specs[name];
  return { name, ...spec, symbols: lengthSymbols(spec), sources: symbolSources(spec) };
});

const files = {
  'native/kernels/generated/table.hpp': tableHeader(),
  'native/kernels/generated/isa_table.cpp': isaTable(),
  'native/addon/generated/bindings.inc': bindings(),
  'native/program/generated/dispatch.hpp': dispatch(),
  'src/kernels/generated/interface.ts': interfaceTs(),
  'assembly/index.ts': wasmExports(),
};

let stale = 0;
for (const [path, text] of Object.entries(files)) {
  const full = join(root, path);
  const current = await readFile(full, 'utf8').catch(() => '');
  if (current === text) continue;
  stale++;
  if (process.argv.includes('--check')) {
    console.error(`${path} differs from what src/kernels/table.ts generates; run npm run generate`);
    continue;
  }
  await mkdir(dirname(full), { recursive: true });
  await writeFile(full, text);
  console.log(`wrote ${path}`);
}
if (stale > 0 && process.argv.includes('--check')) process.exitCode = 1;

async function loadTable() {
  const folder = await mkdtemp(join(tmpdir(), 'heddle-table-'));
  const outfile = join(folder, 'table.mjs');
  try {
    await build({
      stdin: {
        contents: `export * from './src/kernels/table.ts'; export { lengthSymbols, symbolSources, parseRequirement } from './src/kernels/define.ts';`,
        resolveDir: root,
      },
      bundle: true,
      format: 'esm',
      outfile,
      logLevel: 'error',
    });
    return await import(pathToFileURL(outfile).href);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function parameters(kernel) {
  const pointers = kernel.args
    .filter((arg) => arg.kind !== 'scalar')
    .map((arg) => {
      if (arg.kind === 'list') return `const ${cType[arg.dtype]}* const* ${arg.name}`;
      return `${arg.access === 'in' ? 'const ' : ''}${cType[arg.dtype]}* ${arg.name}`;
    });
  const lengths = kernel.symbols.map((symbol) => `std::size_t ${lengthName(kernel, symbol)}`);
  const scalars = kernel.args
    .filter((arg) => arg.kind === 'scalar')
    .map((arg) => `${cType[arg.dtype]} ${arg.name}`);
  return [...pointers, ...lengths, ...scalars].join(', ');
}

// A free length may have the name of an operand (`rows` of gatherBlocksF32 is a vector).
function lengthName(kernel, symbol) {
  return kernel.args.some((arg) => arg.name === symbol) ? `${symbol}Count` : symbol;
}

function result(kernel) {
  return kernel.returns === 'void' ? 'void' : cType[kernel.returns];
}

function tableHeader() {
  const fields = kernels.map((k) => `  ${result(k)} (*${k.name})(${parameters(k)});`);
  const declarations = kernels.map((k) => `${result(k)} ${k.name}(${parameters(k)});`);
  return `// ${note}
#pragma once
#include <cstddef>
#include <cstdint>

namespace heddle {

/// The kernels of one instruction set; what each does is in docs/kernels.md and src/kernels/reference/.
struct KernelTable {
${fields.join('\n')}
};

enum class KernelId : std::uint32_t {
${kernels.map((k) => `  ${k.name},`).join('\n')}
};
constexpr std::uint32_t kKernelCount = ${kernels.length};

}  // namespace heddle

#ifdef HEDDLE_ISA
namespace heddle::HEDDLE_ISA {

${declarations.join('\n')}

extern const KernelTable kKernelTable;

}  // namespace heddle::HEDDLE_ISA
#endif
`;
}

function isaTable() {
  return `// ${note}
#include "table.hpp"

namespace heddle::HEDDLE_ISA {

const KernelTable kKernelTable = {
${kernels.map((k) => `    ${k.name},`).join('\n')}
};

}  // namespace heddle::HEDDLE_ISA
`;
}

/** A length expression as a C++ expression over values of Extent. */
function cExpression(kernel, expression) {
  const value = (token) => {
    const t = token.trim();
    return `Extent{${kernel.symbols.includes(t) ? lengthName(kernel, t) : t}}`;
  };
  const ceiling = /^ceil\((\w+)\/(\w+)\)$/.exec(expression);
  if (ceiling) return `ceilDivide(${value(ceiling[1])}, ${value(ceiling[2])})`;
  return expression
    .split('+')
    .map((part) => part.split('*').map(value).join(' * '))
    .join(' + ');
}

/** The conditions of `requires` in C++, each with the text that names it. */
function requirements(kernel) {
  return (kernel.requires ?? []).map((text) => {
    const { left, relation, right } = parseRequirement(text);
    const [a, b] = [left, right].map((side) => cExpression(kernel, side));
    return { text, holds: relation === 'divides' ? `divides(${a}, ${b})` : `${a} <= ${b}` };
  });
}

/** Statements that define every free length; `sizeOf(i)` gives the C++ expression of operand i's element count. */
function lengthDefinitions(kernel, sizeOf, indent) {
  return kernel.sources.map(({ symbol, arg, factors, counts }) => {
    const name = lengthName(kernel, symbol);
    if (counts) return `${indent}const std::size_t ${name} = ${kernel.args[arg].name}.count;`;
    if (factors.length === 0) return `${indent}const std::size_t ${name} = ${sizeOf(arg)};`;
    return `${indent}const std::size_t ${name} = divideLength(${sizeOf(arg)}, ${cExpression(kernel, factors.join('*'))});`;
  });
}

function bindings() {
  const bodies = kernels.map((k) => {
    const lines = [`napi_value ${k.name}(napi_env env, napi_callback_info info) {`];
    lines.push(`  Call call(env, info, "${k.name}", ${k.args.length});`);
    k.args.forEach((arg, i) => {
      if (arg.kind === 'vec') {
        const access = arg.access === 'in' ? 'const ' : '';
        lines.push(
          `  const auto ${arg.name} = call.vector<${access}${cType[arg.dtype]}>(${i}, "${arg.name}", napi_${napiType[arg.dtype]}_array);`,
        );
      } else if (arg.kind === 'list')
        lines.push(
          `  const auto ${arg.name} = call.list<const ${cType[arg.dtype]}>(${i}, "${arg.name}", napi_${napiType[arg.dtype]}_array);`,
        );
      else lines.push(`  const auto ${arg.name} = call.scalar<${cType[arg.dtype]}>(${i}, "${arg.name}");`);
    });
    lines.push('  if (call.failed()) return nullptr;');
    // A symbol of the same name as an operand would shadow it, so operands are read through their own names.
    const sizeOf = (i) => `${k.args[i].name}.size`;
    lines.push(...lengthDefinitions(k, sizeOf, '  '));
    for (const { text, holds } of requirements(k)) lines.push(`  call.require(${holds}, "${text}");`);
    for (const arg of k.args) {
      if (arg.kind === 'scalar') continue;
      const optional = arg.kind === 'vec' && arg.optional;
      const check = arg.kind === 'list' ? 'expectList' : optional ? 'expectOptional' : 'expect';
      lines.push(`  call.${check}(${arg.name}, "${arg.name}", ${cExpression(k, arg.length)});`);
      // An index out of range would read or write foreign memory, so every index that a caller hands over is looked at.
      if (arg.kind === 'vec' && arg.access === 'in' && arg.below && !/^\d+$/.test(arg.below))
        lines.push(`  call.expectBelow(${arg.name}, "${arg.name}", ${cExpression(k, arg.below)});`);
      if (arg.kind === 'vec' && arg.access === 'in' && arg.values === 'offsets')
        lines.push(`  call.expectAscending(${arg.name}, "${arg.name}");`);
      if (arg.kind === 'list') {
        const lists = k.symbols.includes('lists') ? lengthName(k, 'lists') : undefined;
        if (lists) lines.push(`  call.expectCount(${arg.name}, "${arg.name}", ${lists});`);
      }
    }
    lines.push('  if (call.failed()) return nullptr;');
    const passed = [
      ...k.args.filter((arg) => arg.kind !== 'scalar').map((arg) => `${arg.name}.data`),
      ...k.symbols.map((symbol) => lengthName(k, symbol)),
      ...k.args.filter((arg) => arg.kind === 'scalar').map((arg) => arg.name),
    ].join(', ');
    if (k.returns === 'void') lines.push(`  call.table().${k.name}(${passed});`, '  return nullptr;');
    else lines.push(`  return call.number(call.table().${k.name}(${passed}));`);
    lines.push('}');
    return lines.join('\n');
  });
  return `// ${note}
// Included once by native/addon/kernel_bindings.cpp, inside its namespace.

${bodies.join('\n\n')}

struct Binding {
  const char* name;
  napi_callback function;
};
constexpr Binding kBindings[] = {
${kernels.map((k) => `    {"${k.name}", ${k.name}},`).join('\n')}
};
`;
}

function dispatch() {
  const onTape = kernels.filter((k) => k.args.every((arg) => arg.kind !== 'list'));
  const vectorsOf = (k) => k.args.filter((arg) => arg.kind === 'vec');
  const scalarsOf = (k) => k.args.filter((arg) => arg.kind === 'scalar');
  const maxVectors = Math.max(...onTape.map((k) => vectorsOf(k).length));
  const maxScalars = Math.max(...onTape.map((k) => scalarsOf(k).length));
  const scalarLocals = (k) =>
    scalarsOf(k).map(
      (arg, i) =>
        `      [[maybe_unused]] const auto ${arg.name} = scalarAs<${cType[arg.dtype]}>(op.scalars[${i}]);`,
    );
  const sizeOf = (k) => (argIndex) => `op.lengths[${vectorsOf(k).indexOf(k.args[argIndex])}]`;
  const calls = onTape.map((k) => {
    const pointers = vectorsOf(k).map(
      (arg, i) =>
        `static_cast<${arg.access === 'in' ? 'const ' : ''}${cType[arg.dtype]}*>(op.operands[${i}])`,
    );
    const passed = [
      ...pointers,
      ...k.symbols.map((s) => lengthName(k, s)),
      ...scalarsOf(k).map((arg) => arg.name),
    ];
    return [
      `    case KernelId::${k.name}: {`,
      ...scalarLocals(k),
      ...lengthDefinitions(k, sizeOf(k), '      '),
      `      kernels.${k.name}(${passed.join(', ')});`,
      '      return;',
      '    }',
    ].join('\n');
  });
  const checks = onTape.map((k) =>
    [
      `    case KernelId::${k.name}: {`,
      ...scalarLocals(k),
      ...lengthDefinitions(k, sizeOf(k), '      ').map((line) =>
        line.replace('const std::size_t', '[[maybe_unused]] const std::size_t'),
      ),
      ...requirements(k).map(({ text, holds }) => `      if (!(${holds})) return "${text}";`),
      ...vectorsOf(k).map((arg, i) => {
        const absent = arg.optional ? `op.lengths[${i}] != 0 && ` : '';
        return `      if (${absent}op.lengths[${i}] != ${cExpression(k, arg.length)}) return "${arg.name}";`;
      }),
      '      return nullptr;',
      '    }',
    ].join('\n'),
  );
  const rows = kernels.map((k) => {
    const vectors = vectorsOf(k);
    const tape = onTape.includes(k);
    const dtypes = tape ? vectors.map((arg) => `Dtype::${arg.dtype}`).join(', ') : '';
    const writes = tape ? vectors.map((arg) => (arg.access === 'in' ? 'false' : 'true')).join(', ') : '';
    return `    {"${k.name}", ${tape}, ${tape ? vectors.length : 0}, ${tape ? scalarsOf(k).length : 0}, {${dtypes}}, {${writes}}},`;
  });
  return `// ${note}
#pragma once
#include <cstddef>
#include <cstdint>

#include "kernels/lengths.hpp"
#include "table.hpp"

namespace heddle {

enum class Dtype : std::uint8_t { f32, f64, u8, i8, u16, i32, u32 };

constexpr std::size_t kMaxOperands = ${maxVectors};
constexpr std::size_t kMaxScalars = ${maxScalars};

/// One call of a kernel: operand pointers (null where an optional one is absent), their element counts, and the scalars.
struct OpArgs {
  void* operands[kMaxOperands];
  std::size_t lengths[kMaxOperands];
  double scalars[kMaxScalars];
};

/// What a tape has to give for a kernel.
struct OpSignature {
  const char* name;
  bool onTape;
  std::uint8_t operandCount;
  std::uint8_t scalarCount;
  Dtype dtypes[kMaxOperands];
  bool writes[kMaxOperands];
};
constexpr OpSignature kSignatures[] = {
${rows.join('\n')}
};

namespace dispatch_detail {
/// Integers arrive as float64; out of range is undefined in C++, so it is clamped to 0 and caught by the checks.
template <typename T>
constexpr T scalarAs(double value) {
  if constexpr (static_cast<T>(0.5) != 0) {
    return static_cast<T>(value);
  } else if constexpr (static_cast<T>(-1) < 0) {
    return value >= -2147483648.0 && value <= 2147483647.0 ? static_cast<T>(value) : T{0};
  } else {
    return value >= 0 && value <= 4294967295.0 ? static_cast<T>(value) : T{0};
  }
}
}  // namespace dispatch_detail

/// The first requirement that the op does not obey, or the name of the first operand whose length does not follow from the
/// others and the scalars; null when all agree.
inline const char* checkOp(KernelId id, const OpArgs& op) {
  using namespace dispatch_detail;
  switch (id) {
${checks.join('\n')}
    default:
      return "kernel";
  }
}

/// Runs one op that checkOp has passed.
inline void runOp(const KernelTable& kernels, KernelId id, const OpArgs& op) {
  using namespace dispatch_detail;
  switch (id) {
${calls.join('\n')}
    default:
      return;
  }
}

}  // namespace heddle
`;
}

function interfaceTs() {
  const signature = (k) =>
    k.args
      .map((arg) => {
        if (arg.kind === 'vec') return `${arg.name}: ${tsArray[arg.dtype]}`;
        return arg.kind === 'list' ? `${arg.name}: readonly ${tsArray[arg.dtype]}[]` : `${arg.name}: number`;
      })
      .join(', ');
  const types = Object.entries({
    F32: 'Float32Array',
    F64: 'Float64Array',
    U8: 'Uint8Array',
    I8: 'Int8Array',
    U16: 'Uint16Array',
    I32: 'Int32Array',
    U32: 'Uint32Array',
  });
  return `// ${note}
import type { KernelBuffer } from '../buffer.js';

${types.map(([short, long]) => `export type ${short} = ${long} | KernelBuffer<${long}>;`).join('\n')}

/** Every kernel of the table; meaning and conventions in docs/kernels.md and src/kernels/reference/. */
export interface KernelFunctions {
${kernels.map((k) => `  ${k.name}(${signature(k)}): ${k.returns === 'void' ? 'void' : 'number'};`).join('\n')}
}
`;
}

function wasmExports() {
  const families = [...new Set(kernels.map((k) => k.family))];
  return `// ${note}
${families
  .map(
    (family) =>
      `export { ${kernels
        .filter((k) => k.family === family)
        .map((k) => k.name)
        .join(', ')} } from './${family}';`,
  )
  .join('\n')}
// Where free memory starts: below it lie the scratch blocks of the kernels.
export { __heap_base };
`;
}
