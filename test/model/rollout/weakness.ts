/** The weakened protocols: each leaves one safeguard out, and must be caught. */
export interface Weakness {
  // Who may save.
  /** Direct saves do not ask `session_mode`. */
  readonly directSavesIgnoreMode?: boolean;
  /** save does not ask `meta.mode`. */
  readonly redisSavesIgnoreMode?: boolean;
  /** Upserts of the consumers do not ask `session_mode`. */
  readonly upsertsIgnoreMode?: boolean;
  /** Upserts of the consumers ask for the mode, not for the period. */
  readonly periodIgnored?: boolean;
  /** compare-and-set takes the version of a session that was not compared with its row in this epoch. */
  readonly casIgnoresEpoch?: boolean;

  // Forward.
  /** There is no `to_redis`: one step opens Redis. */
  readonly oneStepForward?: boolean;
  /** Redis opens before PostgreSQL has closed. */
  readonly redisOpensFirst?: boolean;
  /** Redis need not have heard of `to_redis`. */
  readonly preparationNotAwaited?: boolean;
  /** A Redis period begins without an epoch. */
  readonly noEpochOfPeriod?: boolean;
  /** A Redis period begins without a floor. */
  readonly noFloor?: boolean;

  // Back.
  /** PostgreSQL opens before Redis has closed. */
  readonly directOpensFirst?: boolean;
  /** PostgreSQL opens without a seal. */
  readonly drainNotAwaited?: boolean;
  /** A seal of an earlier term counts. */
  readonly lateEvidenceCounts?: boolean;
  readonly sealIgnoresDirty?: boolean;
  /** Sealed before what PostgreSQL lost was announced again. */
  readonly sealIgnoresDatabase?: boolean;
  /** PostgreSQL opens without the floor that Redis had when it was sealed. */
  readonly sealedFloorIgnored?: boolean;
  /** The seal is no mode: loads go on in Redis. */
  readonly sealLeavesLoadsOpen?: boolean;

  // Loads.
  readonly loadsIgnoreRedisMode?: boolean;
  readonly loadsIgnorePostgresMode?: boolean;
  /** A load takes the row in the modes between. */
  readonly loadsTrustMovingRow?: boolean;
  /** A Redis that was sealed, and whose way back was aborted, counts as not opened yet. */
  readonly sealMeansNotOpened?: boolean;
  /** restore marks the session as of the present epoch, not as of that of its lease. */
  readonly restoreTrusts?: boolean;
  readonly noLease?: boolean;

  // Installing PostgreSQL's mode in Redis.
  readonly installIgnoresTerm?: boolean;
  readonly installIgnoresEpoch?: boolean;
  /** A void Redis takes `to_direct`, although a seal of this term may have been lost. */
  readonly voidTakesToDirect?: boolean;
  /** A period that is new to Redis clears `seeded`: but Redis may have lost everything in that very period. */
  readonly installClearsSeeded?: boolean;

  // Redis loses something.
  /** A new server keeps the mode it finds. */
  readonly modeSurvivesLoss?: boolean;
  /** A new server without the field counts as one without a rollout. */
  readonly absentModeIsOpen?: boolean;
  /** A void Redis is opened without a gap above the floor of its period. */
  readonly noGapOverFloor?: boolean;
  /** Dirty sessions of an earlier period count like those of the present one. */
  readonly periodEpochIgnored?: boolean;

  // PostgreSQL loses its tail.
  /** A promoted PostgreSQL goes on at once. */
  readonly lossUnnoticed?: boolean;
  readonly recoveryKeepsTerm?: boolean;
  readonly recoveryKeepsEpoch?: boolean;
  /** What Redis has is neither written back nor announced again. */
  readonly recoveryForgetsRedis?: boolean;
  readonly noGapAfterRecovery?: boolean;

  // The forced way back, and what it left over.
  readonly noForcedFloor?: boolean;
  readonly salvageOverwrites?: boolean;
  /** Salvage compares versions, not with the forced floor. */
  readonly salvageComparesVersions?: boolean;
  /** Salvage removes what it wrote. */
  readonly salvageRemovesWritten?: boolean;
  /** Salvage removes what lost, instead of putting the row in its place. */
  readonly salvageRemovesLosers?: boolean;
  /** Salvage settles in whatever epoch it is. */
  readonly salvageIgnoresEpoch?: boolean;
  /** Salvage settles what lost against its row. */
  readonly salvageSettlesLosers?: boolean;
}
