CREATE OR REPLACE VIEW log_lines
(
    job        UInt64               COMMENT 'number of the job; 42',
    line       UInt64               COMMENT 'number of the line in the job''s log, from 0',
    time       DateTime64(6, 'UTC') COMMENT 'when the worker read it, its clock',
    level      LowCardinality(String) COMMENT 'kind of line; target',
    message    String               COMMENT 'the text; JSON where structured',
    structured Bool                 COMMENT 'whether message is JSON (a list or an object) and not plain text',
    namespace  LowCardinality(String) COMMENT 'whose console, for feedback lines',
    continues  Bool                 COMMENT 'whether the next line goes on where this one was cut',
    stamp      Int64                COMMENT 'the kernel''s clock at the head of the line, microseconds since it started; -1 without',
    template   UInt64               COMMENT 'number of the line''s template, see log_templates',
    variables  String               COMMENT 'what the template''s holes hold, with the byte 0x12 between',
    seq        UInt64               COMMENT 'sequence in OUTPUT of its frame'
) AS
WITH ifNull(t.text, '') AS shape, toString(intDiv(s.stamp, 1000000)) AS seconds
SELECT
    s.job AS job, s.line AS line, s.time AS time, s.level AS level,
    if(shape = '\x12', s.variables, concat(
        if(s.stamp < 0, '', concat('[', repeat(' ', greatest(0, 5 - length(seconds))), seconds, '.', leftPad(toString(s.stamp % 1000000), 6, '0'), ']')),
        arrayStringConcat(arrayMap((text, variable) -> concat(text, variable), splitByChar('\x11', shape),
            arrayResize(splitByChar('\x12', s.variables), length(splitByChar('\x11', shape)), ''))))) AS message,
    s.structured AS structured, s.namespace AS namespace, s.continues AS continues, s.stamp AS stamp,
    s.template AS template, s.variables AS variables, s.seq AS seq
FROM log_line_state AS s
LEFT ANY JOIN log_templates AS t ON t.template = materialize(s.template)
COMMENT 'Lines of the jobs'' logs, one row a line.';
