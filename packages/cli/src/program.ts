import { Argument, Command } from 'commander';
import type { AnyCommand, Invocation } from './command.ts';
import { drainCommand } from './commands/drain.ts';
import { migrateCommand } from './commands/migrate.ts';
import { parkedCommands } from './commands/parked.ts';
import { pendingCommand } from './commands/pending.ts';
import { purgeCommand } from './commands/purge.ts';
import { replayCommand } from './commands/replay.ts';
import { resyncCommand } from './commands/resync.ts';
import { rolloutCommands } from './commands/rollout.ts';
import { statusCommand } from './commands/status.ts';
import { verifyCommand } from './commands/verify.ts';
import type { CliContext } from './context.ts';
import { type ExitCode, exitCodes } from './exit-codes.ts';
import { explainError, maskCredentials } from './explain-error.ts';
import { type GlobalFlags, globalOptions, settingsFrom } from './global-flags.ts';
import { Output } from './output.ts';

const commands: readonly AnyCommand[] = [
  statusCommand,
  pendingCommand,
  replayCommand,
  ...parkedCommands,
  drainCommand,
  verifyCommand,
  resyncCommand,
  migrateCommand,
  purgeCommand,
  ...rolloutCommands,
];

const groups = new Map([
  ['parked', 'show, retry or give up the sessions that PostgreSQL refuses'],
  ['rollout', 'move the sessions between direct saves in PostgreSQL and Redis'],
]);

/**
 * The command line of `cauce`. It uses only the context, and only when it is parsed. Errors of a command are printed
 * and become its exit code. Errors of the command line are thrown as CommanderError.
 *
 * @param onExit called with the exit code of the command that ran
 */
export function buildProgram(context: CliContext, onExit: (code: ExitCode) => void): Command {
  const program = new Command('cauce')
    .description('Looks after a deployment of Cauce, which syncs sessions from Redis to PostgreSQL.')
    .version(context.version)
    .exitOverride()
    .showHelpAfterError('(--help shows what is allowed)')
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({
      writeOut: (text) => context.stdout.write(text),
      // commander quotes what it was given, and that may be a URL.
      writeErr: (text) => context.stderr.write(maskCredentials(text)),
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    });
  for (const option of globalOptions()) program.addOption(option);
  program.addHelpText(
    'after',
    help(
      ['status', 'drain --deadline 2m', 'verify --json'],
      [[exitCodes.problem, 'the command worked and found a problem']],
    ),
  );
  for (const descriptor of commands) {
    const words = descriptor.name.split(' ');
    const parent = words.length > 1 ? groupNamed(words[0] ?? '') : program;
    addCommand(parent.command(words.at(-1) ?? ''), descriptor);
  }
  return program;

  function groupNamed(name: string): Command {
    const group = program.commands.find((command) => command.name() === name);
    return group ?? program.command(name).description(groups.get(name) ?? '');
  }

  function addCommand(command: Command, descriptor: AnyCommand): void {
    const { summary, description, arguments: positional = [], options = [] } = descriptor;
    command.summary(summary).description(description);
    for (const { name, description: meaning, parse } of positional) {
      command.addArgument(new Argument(name, meaning).argParser(parse));
    }
    for (const option of options) command.addOption(option);
    command.addHelpText('after', help(descriptor.examples, descriptor.exitCodes));
    command.action(async () => {
      onExit(await runCommand(context, descriptor, command));
    });
  }
}

async function runCommand(context: CliContext, descriptor: AnyCommand, command: Command): Promise<ExitCode> {
  const flags = command.optsWithGlobals<GlobalFlags>();
  const output = new Output(context, descriptor.name, {
    isJson: flags.json ?? false,
    isQuiet: flags.quiet ?? false,
    isDebug: flags.debug ?? false,
    mayColor: flags.color ?? true,
  });
  try {
    const settings = await settingsFrom(context, flags, descriptor.required);
    const { signal } = context;
    const args = command.processedArgs;
    const invocation: Invocation<never> = {
      context,
      settings,
      output,
      args,
      options: command.opts() as never,
      signal,
    };
    return await descriptor.run(invocation);
  } catch (error) {
    const explanation = explainError(error, context.signal);
    output.error(explanation, error);
    return explanation.exitCode;
  }
}

function help(examples: readonly string[], own: AnyCommand['exitCodes']): string {
  const meanings = new Map<ExitCode, string>([
    [exitCodes.ok, 'ok'],
    [exitCodes.failure, 'the command failed'],
    [exitCodes.usage, 'wrong flags, arguments or settings'],
    [exitCodes.unreachable, 'Redis or PostgreSQL cannot be reached'],
    [exitCodes.interrupted, 'Ctrl-C'],
    ...own,
  ]);
  return [
    '',
    'Examples:',
    ...examples.map((example) => `  $ cauce ${example}`),
    '',
    'Exit codes:',
    ...[...meanings]
      .sort(([a], [b]) => a - b)
      .map(([code, meaning]) => `  ${String(code).padEnd(3)}  ${meaning}`),
  ].join('\n');
}
