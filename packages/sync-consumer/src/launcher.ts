/** How soon it is noticed. */
const CHECK_MS = 500;

export interface LauncherDeps {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Process id of the parent; another one once it has ended. */
  readonly parentPid: () => number;
}

/**
 * Calls `onGone` when the npm, npx or the like that started this program has ended. A signal that is sent to one of
 * them alone ends it and the shell in between, and never reaches the program, which would run on without its parent.
 * Keeps no process alive. Does nothing for a program that was started in another way.
 */
export function whenLauncherGone({ env, parentPid }: LauncherDeps, onGone: () => void): void {
  if (!env.npm_lifecycle_event) return;
  const launcher = parentPid();
  const timer = setInterval(() => {
    if (parentPid() === launcher) return;
    clearInterval(timer);
    onGone();
  }, CHECK_MS);
  timer.unref();
}
