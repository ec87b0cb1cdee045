/** Entry of a merge thread: loads its own kernels, then computes what it is told until it is terminated. */
import { parentPort } from 'node:worker_threads';
import { loadBackend } from '../../kernels/select.js';
import { fileAccess } from '../../tensor/safetensors/file-access.node.js';
import { createLaneCore, type LaneCore } from './lane.js';
import { plainError, type ThreadMessage, type ThreadReply } from './thread-protocol.js';

const port = parentPort;
if (port === null) throw new Error('this module runs in worker threads only');

let core: LaneCore | undefined;
/** Memory that goes with the next reply. */
let transferred: ArrayBuffer[] = [];

async function answer(message: ThreadMessage): Promise<unknown> {
  if (message.type === 'setup') {
    core = createLaneCore(await loadBackend(message.setup), { files: fileAccess });
    return undefined;
  }
  if (core === undefined) throw new Error('this thread has no kernels');
  if (message.type === 'begin') return core.begin(message.id, message.start);
  if (message.type === 'run') return core.run(message.id, message.command);
  if (message.type === 'collect') {
    const counts = core.collect();
    // Some MiB a model: handed over, not copied.
    transferred = [...counts.values()].map(({ buffer }) => buffer as ArrayBuffer);
    return counts;
  }
  core.end(message.id);
  return undefined;
}

// Loading takes a while; what comes meanwhile waits its turn.
let queue: Promise<void> = Promise.resolve();
port.on('message', (message: ThreadMessage) => {
  queue = queue.then(async () => {
    let reply: ThreadReply;
    try {
      reply = { result: await answer(message) };
    } catch (error) {
      reply = { error: plainError(error) };
    }
    if (message.type !== 'end') port.postMessage(reply, transferred.splice(0));
  });
});
