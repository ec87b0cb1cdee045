/**
 * The worker that coordinates the run, so that the page never waits for it. The engine starts the threads that train the
 * clients from here; they need no cross-origin isolation, because every thread has a memory of its own.
 */
import { startSimulation } from 'heddle';

let controller;

addEventListener('message', ({ data: message }) => {
  if (message.type === 'stop') controller?.abort();
  else run(message.options);
});

async function run(options) {
  controller = new AbortController();
  try {
    const simulation = startSimulation({ ...options, signal: controller.signal });
    for await (const event of simulation.events) postMessage({ type: 'event', event });
    const { summary } = await simulation.result;
    postMessage({ type: 'end', summary });
  } catch (error) {
    // A run that was stopped ends with an error that carries the result so far.
    if (error.code === 'ERR_RUN_ABORTED') postMessage({ type: 'end', summary: error.partial.summary });
    else postMessage({ type: 'failed', message: error.message, hint: error.hint });
  }
}
