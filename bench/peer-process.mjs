// The Python process that does the same work in numpy and PyTorch (bench/peers/README.md has the protocol).
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const folder = fileURLToPath(new URL('./peers/', import.meta.url));

/** Starts the worker. `ask(op, args, seconds)` answers its reply; a reply with `error` is a row that the peer cannot do. */
export function startPeer(python = process.env.PEERS_PYTHON ?? `${folder}.venv/bin/python`) {
  if (!existsSync(python))
    throw new Error(
      `${python} is not there: run bench/peers/setup.sh once, or name an interpreter in PEERS_PYTHON`,
    );
  const child = spawn(python, [`${folder}worker.py`], { stdio: ['pipe', 'pipe', 'inherit'] });
  const waiting = [];
  const ended = new Promise((_, reject) => {
    child.on('error', reject);
    child.on('exit', (code) => reject(new Error(`the peer process ended with code ${code}`)));
  });
  ended.catch(() => {});
  createInterface({ input: child.stdout }).on('line', (line) => waiting.shift()?.(JSON.parse(line)));
  return {
    ask(op, args = {}, seconds = 0.1) {
      const reply = new Promise((resolve) => waiting.push(resolve));
      child.stdin.write(`${JSON.stringify({ op, args, seconds })}\n`);
      return Promise.race([reply, ended]);
    },
    stop() {
      child.removeAllListeners('exit');
      child.stdin.end();
    },
  };
}
