export { ConfigurationError } from './configuration-error.ts';
export { readDatabaseUrl } from './database-url.ts';
export { type Environment, type ParsedSettings, parseSettings } from './parse-settings.ts';
export { completeSettings, loadSettings, type ProgramSettings, readSettings } from './read-settings.ts';
export { secretSettings } from './secret-files.ts';
export {
  describeAllowed,
  isAllowed,
  type Setting,
  type SettingProblem,
  type SettingsTable,
  type ValuesOf,
} from './setting.ts';
export {
  metricsSettings,
  plainIdentifier,
  redisTlsFilesOf,
  storeFileProblems,
  storeSettings,
} from './stores.ts';
