export { type CliContext, realStores, type TextStream } from './context.ts';
export { type ExitCode, exitCodes } from './exit-codes.ts';
export { buildProgram } from './program.ts';
export { runCli } from './run-cli.ts';
