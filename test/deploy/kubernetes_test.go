package deploy_test

import (
	"bufio"
	"errors"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	yamlutil "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

// manifests are the objects of the file.
type manifests struct {
	set      appsv1.StatefulSet
	budget   policyv1.PodDisruptionBudget
	config   corev1.ConfigMap
	services map[string]*corev1.Service
}

// readManifests decodes each document as what it calls itself: a field that its
// kind does not have, or one that is there twice, is a mistake.
func readManifests(t *testing.T) *manifests {
	t.Helper()
	m := &manifests{services: map[string]*corev1.Service{}}
	documents := yamlutil.NewYAMLReader(bufio.NewReader(strings.NewReader(read(t, "kubernetes/chatterbox.yaml"))))
	seen := map[string]int{}
	for {
		text, err := documents.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		var kind metav1.TypeMeta
		if err == nil {
			err = yaml.Unmarshal(text, &kind)
		}
		if err != nil {
			t.Fatal(err)
		}
		name := kind.APIVersion + " " + kind.Kind
		seen[name]++
		switch name {
		case "apps/v1 StatefulSet":
			err = yaml.UnmarshalStrict(text, &m.set)
		case "policy/v1 PodDisruptionBudget":
			err = yaml.UnmarshalStrict(text, &m.budget)
		case "v1 ConfigMap":
			err = yaml.UnmarshalStrict(text, &m.config)
		case "v1 Service":
			service := new(corev1.Service)
			err = yaml.UnmarshalStrict(text, service)
			m.services[service.Name] = service
		default:
			t.Errorf("nobody expects a %s", name)
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	if want := map[string]int{"apps/v1 StatefulSet": 1, "policy/v1 PodDisruptionBudget": 1, "v1 ConfigMap": 1, "v1 Service": 2}; !maps.Equal(seen, want) {
		t.Fatalf("there are %v", seen)
	}
	return m
}

// TestManifestsBelongTogether: the names in them are of one another.
func TestManifestsBelongTogether(t *testing.T) {
	m := readManifests(t)
	labels, pod := m.set.Spec.Template.Labels, m.set.Spec.Template.Spec
	of := func(what string, selector map[string]string) {
		t.Helper()
		for key, value := range selector {
			if labels[key] != value {
				t.Errorf("%s selects %s=%s, pods have %v", what, key, value, labels)
			}
		}
		if len(selector) == 0 {
			t.Errorf("%s selects nothing", what)
		}
	}
	of("the set", m.set.Spec.Selector.MatchLabels)
	of("the budget", m.budget.Spec.Selector.MatchLabels)
	if most := m.budget.Spec.MaxUnavailable; most == nil || most.IntValue() != 1 {
		t.Errorf("the budget lets %v members go", most)
	}
	container := pod.Containers[0]
	ports := map[string]int32{}
	for _, port := range container.Ports {
		ports[port.Name] = port.ContainerPort
	}
	for name, service := range m.services {
		of("service "+name, service.Spec.Selector)
		for _, port := range service.Spec.Ports {
			if ports[port.TargetPort.StrVal] == 0 {
				t.Errorf("service %s wants port %s", name, port.TargetPort.StrVal)
			}
		}
	}
	members := m.services[m.set.Spec.ServiceName]
	if members == nil || members.Spec.ClusterIP != corev1.ClusterIPNone || !members.Spec.PublishNotReadyAddresses {
		t.Error("members cannot find one another before they are ready")
	}
	for what, probe := range map[string]*corev1.Probe{"startup": container.StartupProbe, "liveness": container.LivenessProbe, "readiness": container.ReadinessProbe} {
		if probe == nil || probe.HTTPGet == nil || ports[probe.HTTPGet.Port.StrVal] == 0 || probe.HTTPGet.Path != "/healthz" && probe.HTTPGet.Path != "/readyz" {
			t.Errorf("%s probe: %+v", what, probe)
		}
	}
	if links := pod.EnableServiceLinks; links == nil || *links {
		t.Error("the names of services become variables of the environment that are flags")
	}
	if root := pod.SecurityContext.RunAsNonRoot; root == nil || !*root {
		t.Error("it may run as root")
	}
	volumes := map[string]bool{m.set.Spec.VolumeClaimTemplates[0].Name: true}
	for _, volume := range pod.Volumes {
		volumes[volume.Name] = true
		if volume.ConfigMap != nil && volume.ConfigMap.Name != m.config.Name {
			t.Errorf("volume %s wants %s", volume.Name, volume.ConfigMap.Name)
		}
	}
	for _, mount := range container.VolumeMounts {
		if !volumes[mount.Name] {
			t.Errorf("no volume is called %s", mount.Name)
		}
	}
}

// TestMembersOfTheManifestsStart gives the program what each pod gives it: the
// configuration, with folders elsewhere, keys and tokens as made by the commands
// at the top of the file. It must find nothing wrong with it.
func TestMembersOfTheManifestsStart(t *testing.T) {
	m := readManifests(t)
	binary, folder := build(t), t.TempDir()
	moved := strings.NewReplacer("/etc/chatterbox/config", folder, "/etc/chatterbox", folder, "/data/", folder+"/data-")
	for name, text := range m.config.Data {
		write(t, filepath.Join(folder, name), moved.Replace(text))
	}
	run := func(args ...string) string {
		t.Helper()
		command := exec.CommandContext(t.Context(), binary, args...)
		command.Dir = folder
		talk, err := command.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %v\n%s", args, err, talk)
		}
		return string(talk)
	}
	run("keys", "keys", "--peer-config-file", "peers.json")
	if err := os.Mkdir(filepath.Join(folder, "tokens"), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(folder, "tokens", "tokens"), "write 0123456789abcdef0123456789abcdef\n")
	if err := os.Chmod(filepath.Join(folder, "tokens", "tokens"), 0o440); err != nil { // as a secret is mounted
		t.Fatal(err)
	}
	for _, pod := range []string{"chatterbox-0", "chatterbox-1", "chatterbox-2"} {
		var args []string
		for _, arg := range m.set.Spec.Template.Spec.Containers[0].Args {
			args = append(args, moved.Replace(strings.ReplaceAll(arg, "$(POD_NAME)", pod)))
		}
		if printed := run(append(args, "--print-config")...); !strings.Contains(printed, "host = "+pod+".") {
			t.Errorf("%s: %s", pod, printed)
		}
	}
	if *m.set.Spec.Replicas != 3 {
		t.Errorf("%d replicas", *m.set.Spec.Replicas)
	}
}
