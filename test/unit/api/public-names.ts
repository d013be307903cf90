import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';

const packagesFolder = join(import.meta.dirname, '../../../packages');

export interface ExportedName {
  readonly name: string;
  /** A class is a value. */
  readonly kind: 'value' | 'type';
}

export interface PublicPackage {
  /** Its folder's name. */
  readonly folder: string;
  readonly name: string;
  /** Undefined: there is none. */
  readonly readme: string | undefined;
  /** By the text that imports it: `@cauce/session-client/postgres`. */
  readonly entryPoints: ReadonlyMap<string, readonly ExportedName[]>;
}

interface Manifest {
  readonly name: string;
  readonly private?: boolean;
  readonly exports: Readonly<Record<string, { readonly '@cauce/source': string }>>;
}

/** What each published package exports, as the compiler sees it in the sources. */
export function readPublicPackages(): PublicPackage[] {
  const published = readdirSync(packagesFolder)
    .map((folder) => ({ folder, manifest: readManifest(folder) }))
    .filter(({ manifest }) => !manifest.private)
    .map(({ folder, manifest }) => {
      const sources = Object.entries(manifest.exports).map(
        ([path, conditions]) =>
          [manifest.name + path.slice(1), join(packagesFolder, folder, conditions['@cauce/source'])] as const,
      );
      return { folder, name: manifest.name, sources };
    });
  const program = ts.createProgram(
    published.flatMap(({ sources }) => sources.map(([, file]) => file)),
    compilerOptions(),
  );
  return published.map(({ folder, name, sources }) => ({
    folder,
    name,
    readme: readIfThere(join(packagesFolder, folder, 'README.md')),
    entryPoints: new Map(sources.map(([entry, file]) => [entry, exportedNames(program, file)])),
  }));
}

function readManifest(folder: string): Manifest {
  return JSON.parse(readFileSync(join(packagesFolder, folder, 'package.json'), 'utf8')) as Manifest;
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

function compilerOptions(): ts.CompilerOptions {
  const file = join(packagesFolder, '../tsconfig.base.json');
  const { config } = ts.readConfigFile(file, ts.sys.readFile) as { config: object };
  const { options } = ts.parseJsonConfigFileContent({ ...config, files: [] }, ts.sys, join(file, '..'));
  return { ...options, composite: false, noEmit: true };
}

function exportedNames(program: ts.Program, file: string): ExportedName[] {
  const checker = program.getTypeChecker();
  const source = program.getSourceFile(file);
  const module = source && checker.getSymbolAtLocation(source);
  if (!module) throw new Error(`${file} is no module that the compiler can read`);
  return checker
    .getExportsOfModule(module)
    .map((symbol) => ({ name: symbol.name, kind: kindOf(symbol, checker) }) as const)
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

function kindOf(symbol: ts.Symbol, checker: ts.TypeChecker): ExportedName['kind'] {
  if (symbol.declarations?.some(ts.isTypeOnlyImportOrExportDeclaration)) return 'type';
  const isAlias = (symbol.flags & ts.SymbolFlags.Alias) !== 0;
  const { flags } = isAlias ? checker.getAliasedSymbol(symbol) : symbol;
  return (flags & ts.SymbolFlags.Value) === 0 ? 'type' : 'value';
}
