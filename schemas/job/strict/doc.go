// Package strict holds every schema of a job definition: its own keys, every deploy and boot
// method, every kind of test, commands and protocols.
//
// The gate of package job lets a definition in or not, and knows little of methods; this package
// knows each key of each method and gives advice, as lava_common/schemas does in LAVA: a definition
// that it refuses can still be submitted and may even run. In strict mode a key that the method
// does not know is a mistake; in lenient mode only what is needed and the kinds of values count.
//
// The schemas are tables of rows ([strata/schemas/shape]), one table a method, one file a group of
// methods. A row has a key, the shape of its value and a sentence about it. From the tables derive
// the validator ([Validator.Check]), the JSON Schema that editors read (job.schema.json), and the
// reference of methods ([Methods]). To add a method, add its table and put it into the list of its
// kind. The rules that span a definition, such as a timeout longer than the job's, are in cross.go.
package strict
