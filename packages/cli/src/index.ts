export { type CliContext, realStores } from './context.ts';
export { runCli } from './run-cli.ts';
