package postgres

// schema makes what is missing. The lock keeps two that start together from
// colliding, which IF NOT EXISTS does not.
const schema = `
SELECT pg_advisory_xact_lock(7306302914462185);
CREATE TABLE IF NOT EXISTS dvkeys_histories (
	id       integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	name     text    NOT NULL UNIQUE,
	root     bytea   NOT NULL CHECK (octet_length(root) = 32),
	strategy text    NOT NULL CHECK (strategy IN ('minimal', 'complete')),
	stopped  boolean NOT NULL DEFAULT false
);
CREATE TABLE IF NOT EXISTS dvkeys_validators (
	id         bigint  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	history    integer NOT NULL REFERENCES dvkeys_histories,
	public_key bytea   NOT NULL CHECK (octet_length(public_key) = 48),
	slot       bigint  CHECK (slot >= 0),
	source     bigint  CHECK (source >= 0),
	target     bigint  CHECK (target >= 0),
	stopped    boolean NOT NULL DEFAULT false,
	UNIQUE (history, public_key),
	CHECK ((source IS NULL) = (target IS NULL))
);
CREATE TABLE IF NOT EXISTS dvkeys_blocks (
	validator bigint NOT NULL REFERENCES dvkeys_validators,
	slot      bigint NOT NULL CHECK (slot >= 0),
	root      bytea  CHECK (octet_length(root) = 32),
	PRIMARY KEY (validator, slot)
);
CREATE TABLE IF NOT EXISTS dvkeys_attestations (
	validator  bigint NOT NULL REFERENCES dvkeys_validators,
	target     bigint NOT NULL CHECK (target >= 0),
	min_source bigint NOT NULL CHECK (min_source >= 0),
	max_source bigint NOT NULL CHECK (max_source >= min_source),
	highest    bigint NOT NULL CHECK (highest >= max_source),
	lowest     bigint NOT NULL CHECK (lowest BETWEEN 0 AND min_source),
	root       bytea  CHECK (octet_length(root) = 32),
	PRIMARY KEY (validator, target)
)`

const (
	insertHistory = `INSERT INTO dvkeys_histories (name, root, strategy) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`
	selectHistory = `SELECT id, root, strategy FROM dvkeys_histories WHERE name = $1`
	selectStopped = `SELECT stopped FROM dvkeys_histories WHERE id = $1`
	updateStopped = `UPDATE dvkeys_histories SET stopped = $2 WHERE id = $1`

	insertValidators = `INSERT INTO dvkeys_validators (history, public_key)
		SELECT $1, k FROM unnest($2::bytea[]) AS k ORDER BY k ON CONFLICT DO NOTHING`

	// lockValidators locks in the order of the keys, so that no two callers wait for each other.
	lockValidators = `SELECT id, public_key, slot, source, target, stopped FROM dvkeys_validators
		WHERE history = $1 AND public_key = ANY($2::bytea[]) ORDER BY public_key FOR UPDATE`
	lockAllValidators = `SELECT id, public_key, slot, source, target, stopped FROM dvkeys_validators
		WHERE history = $1 ORDER BY public_key FOR UPDATE`

	setStopped = `UPDATE dvkeys_validators SET stopped = $2 WHERE id = ANY($1::bigint[])`
	setMarks   = `UPDATE dvkeys_validators SET slot = m.slot, source = m.source, target = m.target
		FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[]) AS m (id, slot, source, target)
		WHERE dvkeys_validators.id = m.id`

	// nearBlocks and nearVotes return, for each claim in order, what a decision needs: the lowest entry, the one below
	// the claim, the one at it and the one above it.
	nearBlocks = `SELECT first.slot, same.slot, same.root
		FROM unnest($1::bigint[], $2::bigint[]) WITH ORDINALITY AS c (validator, slot, i)
		LEFT JOIN LATERAL (SELECT slot FROM dvkeys_blocks WHERE validator = c.validator ORDER BY slot LIMIT 1) AS first ON true
		LEFT JOIN dvkeys_blocks AS same ON same.validator = c.validator AND same.slot = c.slot
		ORDER BY c.i`
	nearVotes = `SELECT first.target, before.highest, same.min_source, same.max_source, same.root, after.lowest
		FROM unnest($1::bigint[], $2::bigint[]) WITH ORDINALITY AS c (validator, target, i)
		LEFT JOIN LATERAL (SELECT target FROM dvkeys_attestations
			WHERE validator = c.validator ORDER BY target LIMIT 1) AS first ON true
		LEFT JOIN LATERAL (SELECT highest FROM dvkeys_attestations
			WHERE validator = c.validator AND target < c.target ORDER BY target DESC LIMIT 1) AS before ON true
		LEFT JOIN dvkeys_attestations AS same ON same.validator = c.validator AND same.target = c.target
		LEFT JOIN LATERAL (SELECT lowest FROM dvkeys_attestations
			WHERE validator = c.validator AND target > c.target ORDER BY target LIMIT 1) AS after ON true
		ORDER BY c.i`

	insertBlocks = `INSERT INTO dvkeys_blocks (validator, slot, root)
		SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bytea[])`
	insertVotes = `INSERT INTO dvkeys_attestations (validator, target, min_source, max_source, highest, lowest, root)
		SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bytea[])`

	// foldBlocks and foldVotes fold up to two of each validator's oldest entries into its marks: more than are added at
	// a time, so that what is kept does not grow.
	foldBlocks = `WITH folded AS (
			DELETE FROM dvkeys_blocks AS b
			USING unnest($1::bigint[], $2::bigint[]) AS c (validator, slot), LATERAL (
				SELECT slot FROM dvkeys_blocks WHERE validator = c.validator AND slot < c.slot - $3::bigint ORDER BY slot LIMIT 2
			) AS old
			WHERE b.validator = c.validator AND b.slot = old.slot
			RETURNING b.validator, b.slot
		)
		UPDATE dvkeys_validators AS v SET slot = greatest(v.slot, f.slot)
		FROM (SELECT validator, max(slot) AS slot FROM folded GROUP BY validator) AS f WHERE v.id = f.validator`
	foldVotes = `WITH folded AS (
			DELETE FROM dvkeys_attestations AS a
			USING unnest($1::bigint[], $2::bigint[]) AS c (validator, target), LATERAL (
				SELECT target FROM dvkeys_attestations WHERE validator = c.validator AND target < c.target - $3::bigint ORDER BY target LIMIT 2
			) AS old
			WHERE a.validator = c.validator AND a.target = old.target
			RETURNING a.validator, a.target, a.max_source
		)
		UPDATE dvkeys_validators AS v SET source = greatest(v.source, f.source), target = greatest(v.target, f.target)
		FROM (SELECT validator, max(max_source) AS source, max(target) AS target FROM folded GROUP BY validator) AS f
		WHERE v.id = f.validator`

	selectBlocks = `SELECT validator, slot, root FROM dvkeys_blocks WHERE validator = ANY($1::bigint[]) ORDER BY validator, slot`
	selectVotes  = `SELECT validator, target, min_source, max_source, highest, lowest, root
		FROM dvkeys_attestations WHERE validator = ANY($1::bigint[]) ORDER BY validator, target`
	deleteBlocks = `DELETE FROM dvkeys_blocks WHERE validator = ANY($1::bigint[])`
	deleteVotes  = `DELETE FROM dvkeys_attestations WHERE validator = ANY($1::bigint[])`
)
