/** Writes down one run while it goes on: folder, sinks, model, summary and report page. */
import { rm } from 'node:fs/promises';
import { HeddleError } from '../errors.js';
import { differencesFromDefaults, toResolvedYaml } from '../federation/config/output.js';
import type { SimulateConfig } from '../federation/config/schema.js';
import type { RunEvent, RunSummary } from '../federation/events.js';
import type { RunInfo, SimulationResult } from '../federation/run.js';
import { encodeSafetensors } from '../tensor/safetensors/encode.js';
import { version } from '../version.js';
import { collectEnvironment } from './environment.node.js';
import { renderReport } from './html.js';
import { readReportAssets } from './report-assets.node.js';
import type { PartitionReport } from './report-data.js';
import { createRunFolder } from './run-folder.node.js';

export interface RecordingOptions {
  /** Exactly this folder, missing or empty; else a dated one below `config.run.dir`. */
  runDir?: string;
  /** Text of the configuration as the user wrote it. Default: the resolved one. */
  configText?: string;
  /** The command that runs this again. Default: `heddle simulate` with the resolved configuration of the folder. */
  command?: string;
}

/** The record of one run. After an error, the methods that follow reject with the same error. */
export interface RunRecorder {
  /** Absolute path of the run's folder. */
  readonly folder: string;
  /** Writes `partition.json`; the counts also go on the report page. */
  describe(info: RunInfo): Promise<void>;
  /** Hands every event to the sinks until the run ends. */
  follow(events: AsyncIterable<RunEvent>): Promise<void>;
  /** Writes model, report and summary, and returns the summary with its paths. A failed run leaves no model. */
  finish(result: SimulationResult): Promise<RunSummary>;
  /** Removes the folder of a run that ended before its first event; nothing is lost with it. */
  discard(): Promise<void>;
  close(): Promise<void>;
}

/**
 * Makes the folder of a run.
 *
 * @throws {RunFolderError} if it cannot be made.
 */
export async function createRunRecorder(
  config: SimulateConfig,
  options: RecordingOptions = {},
): Promise<RunRecorder> {
  const resolvedConfig = toResolvedYaml(config);
  const folder = await createRunFolder({
    dir: config.run.dir ?? 'runs',
    path: options.runDir,
    name: config.run.name,
    sinks: config.log.sinks,
    config: options.configText ?? resolvedConfig,
    resolvedConfig,
    environment: collectEnvironment(version),
  });
  const command = options.command ?? `npx heddle simulate ${folder.path}/config.resolved.yaml`;
  const readsBack = config.log.sinks.includes('jsonl');
  // Only where no file holds the events; a long run does not grow in memory.
  const kept: RunEvent[] = [];
  let partition: PartitionReport | undefined;
  await folder.log(`heddle ${version}: ${command}`);

  const writeReport = async (summary: RunSummary): Promise<void> => {
    if (!config.report.html) return;
    try {
      const events = readsBack ? await folder.readEvents() : kept;
      const configDifferences = differencesFromDefaults(config);
      const assets = await readReportAssets();
      await folder.writeReport(
        renderReport({ events, summary, partition, configDifferences, command }, assets),
      );
    } catch (error) {
      // The page can be made again from the files; a finished run is not lost for want of it.
      if (!(error instanceof HeddleError) || error.code !== 'ERR_REPORT_ASSETS') throw error;
      await folder.log(`no report page: ${error.message}`);
    }
  };

  return {
    folder: folder.path,
    async describe(info) {
      partition = partitionReport(info);
      await folder.writePartition(info.partition);
    },
    async follow(events) {
      for await (const event of events) {
        if (!readsBack && config.report.html && event.event !== 'client') kept.push(event);
        if (event.event === 'warning') await folder.log(`warning: ${event.message}`);
        await folder.record(event);
      }
    },
    async finish({ summary, params, spec }) {
      if (summary.status !== 'failed')
        await folder.writeModel(encodeSafetensors(spec, params, modelMetadata(config, summary)));
      await writeReport(summary);
      const { error } = summary;
      await folder.log(
        error ? `failed: ${error.code} ${error.message}` : `${summary.status}: ${summary.fingerprint}`,
      );
      return folder.writeSummary(summary);
    },
    async discard() {
      await folder.close();
      await rm(folder.path, { recursive: true, force: true });
    },
    close: () => folder.close(),
  };
}

function partitionReport({ classes, labelCounts }: RunInfo): PartitionReport {
  return {
    classes: Array.from({ length: classes }, (_, label) => String(label)),
    clients: labelCounts.map((counts, id) => ({ id, counts })),
  };
}

function modelMetadata(config: SimulateConfig, summary: RunSummary): Record<string, string> {
  return {
    'heddle.version': version,
    'heddle.task': config.data.task ?? config.data.source?.format ?? 'custom',
    'heddle.round': String(summary.rounds),
    'heddle.fingerprint': summary.fingerprint,
    'heddle.config-hash': summary.configHash,
  };
}
