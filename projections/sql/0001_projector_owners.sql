-- Who projects. The process with the highest claim is the one that may write; another that sees a
-- higher claim than its own stops before it inserts anything more.
CREATE TABLE IF NOT EXISTS projector_owners
(
    claim  UInt64 COMMENT 'number of the claim, growing; 3',
    owner  String COMMENT 'process that claimed, a random name; 5KXQ…'
)
ENGINE = MergeTree ORDER BY claim
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Which process projects, one row a claim.';
