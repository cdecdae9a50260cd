package rest

import (
	"net/http"

	"strata/events/lab"
)

// token answers POST token/.
func token(q *request) (answer, error) {
	b, err := q.body()
	if err != nil {
		return answer{}, err
	}
	var user, password string
	if err := b.read(want{"username", &user, true}, want{"password", &password, true}); err != nil {
		return answer{}, err
	}
	return answer{}, &problem{status: http.StatusBadRequest, body: object{{"non_field_errors", []string{"Unable to log in with provided credentials."}}}}
}

// superuser refuses everybody else, as LAVA does for permissions and accounts.
func (q *request) superuser() error {
	if err := q.named(); err != nil {
		return err
	}
	if q.who.User != lab.Local {
		return detail(http.StatusForbidden, forbidden)
	}
	return nil
}

func listDevicePermissions(q *request) (answer, error) {
	if err := q.superuser(); err != nil {
		return answer{}, err
	}
	list, err := q.allDevices()
	if err != nil {
		return answer{}, err
	}
	rows := []permissionRow{}
	for _, d := range list {
		for _, p := range d.Permissions {
			rows = append(rows, permissionRow{string(d.Device.Device), p})
		}
	}
	return permissions("device").list(q, rows)
}

func listTypePermissions(q *request) (answer, error) {
	if err := q.superuser(); err != nil {
		return answer{}, err
	}
	list, err := q.allTypes()
	if err != nil {
		return answer{}, err
	}
	rows := []permissionRow{}
	for _, t := range list {
		for _, p := range t.Permissions {
			rows = append(rows, permissionRow{string(t.DeviceType.DeviceType), p})
		}
	}
	return permissions("devicetype").list(q, rows)
}
