package lava

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"strata/events"
	"strata/events/lab"
	"strata/services/api"
)

// People is what a LAVA server knows of its users, with what proves who they are: most of it is secret.
type People struct {
	Import   api.PeopleImportRequest // users, groups and the tokens of workers
	Objects  []api.LabObject         // workers, and what groups may do with devices, types and workers
	NotTaken []NotTaken
	Others   map[string]int // models that the dump has beside, by how many rows
}

// row is one row of a dump that Django's dumpdata wrote.
type row struct {
	Model  string                     `json:"model"`
	PK     json.RawMessage            `json:"pk"`
	Fields map[string]json.RawMessage `json:"fields"`
}

// Models of a dump that tell of people.
const (
	modelUser       = "auth.user"
	modelGroup      = "auth.group"
	modelPermission = "auth.permission"
	modelContent    = "contenttypes.contenttype"
	modelExtended   = "lava_scheduler_app.extendeduser"
	modelToken      = "linaro_django_xmlrpc.authtoken"
	modelRemote     = "lava_scheduler_app.remoteartifactsauth"
	modelWorker     = "lava_scheduler_app.worker"
)

// DumpCommand makes a dump that [ReadPeople] reads, on the LAVA server.
const DumpCommand = "lava-server manage dumpdata --natural-foreign auth.user auth.group lava_scheduler_app.extendeduser " +
	"linaro_django_xmlrpc.authtoken lava_scheduler_app.remoteartifactsauth lava_scheduler_app.worker " +
	"lava_scheduler_app.groupdevicepermission lava_scheduler_app.groupdevicetypepermission lava_scheduler_app.groupworkerpermission"

// maxDump is the most bytes that a dump may have: a hundred thousand users.
const maxDump = 256 << 20

// ReadPeople reads a dump, or all files *.json of a folder as one. Rows may name one another by numbers, which
// then have to be in it, or by names (dumpdata --natural-foreign).
// What is wrong with the form of the dump is an error that names file and row; what a row refers to
// and the dump lacks is in NotTaken, and the rest is taken.
func ReadPeople(path string) (*People, error) {
	files := []string{path}
	if info, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("read the dump: %w", err)
	} else if info.IsDir() {
		if files, err = filepath.Glob(filepath.Join(path, "*.json")); err != nil || len(files) == 0 {
			return nil, errors.Join(err, fmt.Errorf("%s has no files *.json; the LAVA server makes one with `%s`", path, DumpCommand))
		}
	}
	d := dump{rows: map[string][]row{}}
	for _, file := range files {
		f, err := os.Open(file)
		if err != nil {
			return nil, fmt.Errorf("read the dump: %w", err)
		}
		err = d.read(f)
		_ = f.Close() // it was only read
		if err != nil {
			return nil, fmt.Errorf("read the dump %s: %w", file, err)
		}
	}
	return d.people()
}

// dump is the rows of a dump, by model.
type dump struct {
	rows map[string][]row
	out  People
}

// Rows are decoded one by one: the text of a large dump need not be in memory beside them.
func (d *dump) read(r io.Reader) error {
	limited := &io.LimitedReader{R: r, N: maxDump}
	dec := json.NewDecoder(limited)
	open, err := dec.Token()
	if err != nil {
		return fmt.Errorf("want a list of rows as `lava-server manage dumpdata` writes it (%w)", err)
	}
	if open != json.Delim('[') {
		return fmt.Errorf("want a list of rows as `lava-server manage dumpdata` writes it; it begins with %v", open)
	}
	for n := 1; dec.More(); n++ {
		var row row
		if err := dec.Decode(&row); err != nil {
			return fmt.Errorf("row %d: %w", n, err)
		}
		if row.Model == "" || row.Fields == nil {
			return fmt.Errorf("row %d has no model or no fields", n)
		}
		d.rows[row.Model] = append(d.rows[row.Model], row)
	}
	if _, err := dec.Token(); err != nil {
		// The decoder only sees that the text ends too early.
		if limited.N <= 0 {
			return fmt.Errorf("it has more than %d MiB", maxDump>>20)
		}
		return fmt.Errorf("it breaks off: %w", err)
	}
	return nil
}

// text returns a field, "" where it is null or missing.
func (r row) text(name string) string {
	var s *string
	if json.Unmarshal(r.Fields[name], &s) != nil || s == nil {
		return ""
	}
	return *s
}

func (r row) truth(name string) (yes bool) {
	return json.Unmarshal(r.Fields[name], &yes) == nil && yes
}

func (r row) number(name string) int {
	var n *int
	if json.Unmarshal(r.Fields[name], &n) != nil || n == nil {
		return 0
	}
	return *n
}

// natural returns the words of a reference by name, such as ["change_device", "lava_scheduler_app", "device"].
func natural(raw json.RawMessage) (words []string, ok bool) {
	return words, json.Unmarshal(raw, &words) == nil && len(words) > 0
}

// names maps the numbers of a model's rows to the names in a field of theirs.
// Keys are the JSON of the number, as references are: no type has to be known for comparing them.
func (d *dump) names(model, field string) map[string]string {
	out := map[string]string{}
	for _, r := range d.rows[model] {
		if len(r.PK) > 0 {
			out[string(r.PK)] = r.text(field)
		}
	}
	return out
}

// refer returns the name that a reference stands for, "" where the dump does not say.
// Users and groups have natural keys of one word, which is the name.
func refer(raw json.RawMessage, names map[string]string) string {
	if words, ok := natural(raw); ok {
		return words[0]
	}
	return names[string(raw)]
}

// permissions maps references to permissions by number to their names with the application.
func (d *dump) permissions() func(json.RawMessage) string {
	apps, known := map[string]string{}, map[string]string{}
	for _, r := range d.rows[modelContent] {
		apps[string(r.PK)] = r.text("app_label")
	}
	for _, r := range d.rows[modelPermission] {
		app := apps[string(r.Fields["content_type"])]
		if words, ok := natural(r.Fields["content_type"]); ok {
			app = words[0]
		}
		if app != "" {
			known[string(r.PK)] = app + "." + r.text("codename")
		}
	}
	return func(raw json.RawMessage) string {
		// Django's natural key of a permission is codename, application, model.
		if words, ok := natural(raw); ok && len(words) > 1 {
			return words[1] + "." + words[0]
		}
		return known[string(raw)]
	}
}

// people puts the rows together.
func (d *dump) people() (*People, error) {
	users, groups := d.names(modelUser, "username"), d.names(modelGroup, "name")
	permission := d.permissions()
	if len(d.rows[modelUser]) == 0 && len(d.rows[modelToken]) == 0 && len(d.rows[modelWorker]) == 0 {
		return nil, fmt.Errorf("the dump has no users, tokens or workers; the LAVA server makes one with `%s`", DumpCommand)
	}
	for _, r := range d.rows[modelGroup] {
		name := r.text("name")
		d.out.Import.Groups = append(d.out.Import.Groups, api.ImportedGroup{Group: events.GroupName(name),
			Permissions: d.known(events.Group, name, r.Fields["permissions"], permission)})
	}
	at := map[string]int{} // user → place
	for _, r := range d.rows[modelUser] {
		u := d.user(r, groups, permission)
		if u.User == lab.LavaHealth {
			continue // every lab has its own
		}
		at[string(u.User)] = len(d.out.Import.Users)
		d.out.Import.Users = append(d.out.Import.Users, u)
	}
	// of returns whom a row belongs to, nil where that is nobody of the dump, which is told.
	of := func(r row, what, name string) *api.ImportedUser {
		user := refer(r.Fields["user"], users)
		if i, ok := at[user]; ok {
			return &d.out.Import.Users[i]
		}
		if user != string(lab.LavaHealth) {
			d.notTaken(events.User, orDash(user), what, name, "the dump does not have the user")
		}
		return nil
	}
	for _, r := range d.rows[modelExtended] {
		if u := of(r, "settings", "IRC, length of tables"); u != nil {
			u.IRCHandle, u.IRCServer, u.TableLength = r.text("irc_handle"), r.text("irc_server"), r.number("table_length")
		}
	}
	for _, r := range d.rows[modelToken] {
		if u := of(r, "token", r.text("description")); u != nil {
			u.Tokens = append(u.Tokens, api.ImportedToken{Value: r.text("secret"), Description: r.text("description")})
		}
	}
	for _, r := range d.rows[modelRemote] {
		if u := of(r, "secret", r.text("name")); u != nil {
			u.Secrets = append(u.Secrets, api.RemoteToken{Name: r.text("name"), Value: r.text("token")})
		}
	}
	d.workers()
	d.grants(groups, permission)
	d.out.Others = map[string]int{}
	for model, rows := range d.rows {
		if !slices.Contains([]string{modelUser, modelGroup, modelPermission, modelContent, modelExtended, modelToken, modelRemote, modelWorker}, model) && grantKind(model) == "" {
			d.out.Others[model] = len(rows)
		}
	}
	return &d.out, nil
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

func (d *dump) notTaken(kind events.Kind, name, setting, value, why string) {
	d.out.NotTaken = append(d.out.NotTaken, NotTaken{kind, name, setting, value, why})
}

// known returns the permissions on everything that this lab has too, and tells of the others.
func (d *dump) known(kind events.Kind, name string, raw json.RawMessage, permission func(json.RawMessage) string) (out []string) {
	var all []json.RawMessage
	if json.Unmarshal(raw, &all) != nil {
		return nil
	}
	for _, one := range all {
		switch full := permission(one); {
		case full == "":
			d.notTaken(kind, name, "permission", string(one), "the dump does not say which it is: make it with --natural-foreign")
		case !lab.KnownPermission(full):
			d.notTaken(kind, name, "permission", full, "there is no such thing here")
		default:
			out = append(out, full)
		}
	}
	return out
}

// Hashes are taken as they stand, so that people keep their passwords; the api checks Django's two
// usual schemes.
func (d *dump) user(r row, groups map[string]string, permission func(json.RawMessage) string) api.ImportedUser {
	name := r.text("username")
	u := api.ImportedUser{User: events.UserName(name), Email: r.text("email"), FirstName: r.text("first_name"), LastName: r.text("last_name"),
		Inactive: !r.truth("is_active"), Staff: r.truth("is_staff"), Superuser: r.truth("is_superuser"), Password: r.text("password"),
		Permissions: d.known(events.User, name, r.Fields["user_permissions"], permission)}
	var in []json.RawMessage
	if json.Unmarshal(r.Fields["groups"], &in) == nil {
		for _, g := range in {
			if group := refer(g, groups); group != "" {
				u.Groups = append(u.Groups, events.GroupName(group))
			} else {
				d.notTaken(events.User, name, "group", string(g), "the dump does not have the group")
			}
		}
	}
	switch scheme, _, _ := strings.Cut(u.Password, "$"); {
	// Django begins what nobody can sign in by with "!": accounts of LDAP or of single sign-on have
	// it.
	case u.Password == "" || strings.HasPrefix(u.Password, "!") || !strings.Contains(u.Password, "$"):
		u.Password = "" // nobody signs in by it there
	case scheme != "pbkdf2_sha256" && scheme != "argon2":
		d.notTaken(events.User, name, "password", scheme, "hashes of that kind are not checked here: set another one with `strata users password`")
		u.Password = ""
	}
	return u
}

// workers takes them with their tokens.
func (d *dump) workers() {
	for _, r := range d.rows[modelWorker] {
		var name string
		// A worker's key is its name; where it is a number, the name is a field.
		if json.Unmarshal(r.PK, &name) != nil {
			name = r.text("hostname")
		}
		// The numbers are those of LAVA's model Worker; an unknown one sets no health.
		health := map[int]string{0: "Active", 1: "Maintenance", 2: "Retired"}[r.number("health")]
		settings := map[string]string{"description": r.text("description"), "job_limit": fmt.Sprint(r.number("job_limit"))}
		if health != "" {
			settings["health"] = health
		}
		d.out.Objects = append(d.out.Objects, api.LabObject{Kind: events.Worker, Name: name, Settings: settings})
		if token := r.text("token"); token != "" {
			d.out.Import.Workers = append(d.out.Import.Workers, api.ImportedWorker{Worker: events.WorkerName(name), Token: token})
		}
	}
}

// grantKind returns what the rows of a model give groups rights on, "" where the model is another one.
func grantKind(model string) events.Kind {
	switch model {
	case "lava_scheduler_app.groupdevicepermission":
		return events.Device
	case "lava_scheduler_app.groupdevicetypepermission":
		return events.DeviceType
	case "lava_scheduler_app.groupworkerpermission":
		return events.Worker
	}
	return ""
}

// grants takes what groups may do with one thing: a setting of that thing, a line for each.
// A thing of which the dump has no row keeps the permissions that it has in the lab.
func (d *dump) grants(groups map[string]string, permission func(json.RawMessage) string) {
	lines := map[events.Entity][]string{}
	for model, rows := range d.rows {
		kind := grantKind(model)
		if kind == "" {
			continue
		}
		for _, r := range rows {
			group, full := refer(r.Fields["group"], groups), permission(r.Fields["permission"])
			thing := r.text(string(kind)) // their names are their keys
			if group == "" || full == "" || thing == "" {
				d.notTaken(kind, orDash(thing), "permission", orDash(full), "the dump does not say whose or which it is: make it with --natural-foreign, and with auth.group")
				continue
			}
			_, codename, _ := strings.Cut(full, ".")
			on := events.Entity{Kind: kind, ID: thing}
			lines[on] = append(lines[on], group+":"+codename)
		}
	}
	for on, own := range lines {
		slices.Sort(own)
		text := strings.Join(own, "\n")
		if i := slices.IndexFunc(d.out.Objects, func(o api.LabObject) bool { return o.Kind == on.Kind && o.Name == on.ID }); i >= 0 {
			d.out.Objects[i].Settings["permissions"] = text
		} else {
			d.out.Objects = append(d.out.Objects, api.LabObject{Kind: on.Kind, Name: on.ID, Settings: map[string]string{"permissions": text}})
		}
	}
	slices.SortFunc(d.out.Objects, func(a, b api.LabObject) int { return strings.Compare(string(a.Kind)+a.Name, string(b.Kind)+b.Name) })
}
