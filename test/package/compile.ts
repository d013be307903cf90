import { join } from 'node:path';
import ts from 'typescript';
import { root } from './packed.ts';

/**
 * What TypeScript finds wrong in these files and in what they import.
 *
 * @param files paths below the repository; their text, or undefined for what is on disk
 */
export function problemsIn(
  files: Readonly<Record<string, string | undefined>>,
  options: ts.CompilerOptions,
): string[] {
  const all: ts.CompilerOptions = {
    target: ts.ScriptTarget.ES2022,
    lib: ['lib.es2023.d.ts', 'lib.es2024.string.d.ts', 'lib.esnext.disposable.d.ts'],
    module: ts.ModuleKind.NodeNext,
    types: ['node'],
    strict: true,
    exactOptionalPropertyTypes: true,
    skipLibCheck: true,
    noEmit: true,
    ...options,
  };
  const host = ts.createCompilerHost(all);
  const own = new Map(Object.entries(files).map(([path, text]) => [join(root, path), text]));
  const { readFile, fileExists } = host;
  host.fileExists = (path) => own.get(path) !== undefined || fileExists(path);
  host.readFile = (path) => own.get(path) ?? readFile(path);
  const program = ts.createProgram([...own.keys()], all, host);
  return ts.getPreEmitDiagnostics(program).map(({ messageText, file, start = 0 }) => {
    const line = file ? file.text.slice(0, start).split('\n').length : 0;
    return `${file?.fileName}:${line} ${ts.flattenDiagnosticMessageText(messageText, '\n')}`;
  });
}
