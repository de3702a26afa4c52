package manifest_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/suoke-life/suoke/internal/manifest"
	"github.com/suoke-life/suoke/internal/profile"
)

func aVersion(t *testing.T) manifest.Version {
	t.Helper()
	table, err := profile.LoadRuntimes("")
	if err != nil {
		t.Fatal(err)
	}
	rt, err := table.Select("onnxruntime", "", "")
	if err != nil {
		t.Fatal(err)
	}
	return manifest.Version{
		ID: "m-v1-abcdef", Model: "m", ModelLabel: "m", Agent: "xiaoai", Version: "v1", Reference: "r/models/m@sha256:0", Digest: "sha256:0",
		FetchImage: "p/suoke:t",
		Template:   manifest.NewTemplate(rt, profile.Filling{ImagePrefix: "p", ImageTag: "t", Model: "m", Version: "v1", Port: 8081, HealthPath: "/live", Metrics: true}),
	}
}

// The restricted Pod Security level, clause by clause: https://kubernetes.io/docs/concepts/security/pod-security-standards
func TestPodsOfAVersionAreRestricted(t *testing.T) {
	v, named := aVersion(t), aVersion(t)
	named.Credentials = &manifest.Credentials{Secret: "access", Keys: []string{"token"}}
	for name, spec := range map[string]corev1.PodSpec{
		"of the server":     v.Deployment("n", new(int32(1))).Spec.Template.Spec,
		"with credentials":  named.Deployment("n", new(int32(1))).Spec.Template.Spec,
		"of the evaluation": v.Job("n", manifest.Evaluation{Name: "e"}).Spec.Template.Spec,
	} {
		t.Run(name, func(t *testing.T) {
			p := spec.SecurityContext
			if !*p.RunAsNonRoot || *p.RunAsUser == 0 || p.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault || *spec.AutomountServiceAccountToken {
				t.Errorf("Pod: %+v", p)
			}
			for _, c := range append(spec.InitContainers, spec.Containers...) {
				s := c.SecurityContext
				if *s.AllowPrivilegeEscalation || !*s.ReadOnlyRootFilesystem || len(s.Capabilities.Drop) != 1 || s.Capabilities.Drop[0] != "ALL" {
					t.Errorf("container %s: %+v", c.Name, s)
				}
			}
		})
	}
}

// A Secret's contents are a file that only the container that fetches can read: no argument or variable shows them.
func TestCredentialsAreAFileOfTheContainerThatFetches(t *testing.T) {
	v := aVersion(t)
	without := v.Deployment("n", new(int32(1))).Spec.Template.Spec
	v.Credentials = &manifest.Credentials{Secret: "access", Keys: []string{"username", "password"}}
	pod := v.Deployment("n", new(int32(1))).Spec.Template.Spec
	if len(without.Volumes) != 2 || len(pod.Volumes) != 3 {
		t.Fatalf("volumes: %+v, and with credentials %+v", without.Volumes, pod.Volumes)
	}
	volume := pod.Volumes[2]
	want := &corev1.SecretVolumeSource{
		SecretName: "access", DefaultMode: new(int32(0o440)), Optional: new(true),
		Items: []corev1.KeyToPath{{Key: "username", Path: "username"}, {Key: "password", Path: "password"}},
	}
	if diff := cmp.Diff(want, volume.Secret); diff != "" || *pod.SecurityContext.FSGroup != *pod.SecurityContext.RunAsGroup {
		t.Error(diff)
	}
	fetch, server := pod.InitContainers[0], pod.Containers[0]
	mount := fetch.VolumeMounts[len(fetch.VolumeMounts)-1]
	if mount.Name != volume.Name || !mount.ReadOnly || !slices.Contains(fetch.Args, "--credentials-dir="+mount.MountPath) || len(fetch.Env) != 0 {
		t.Errorf("the container that fetches: %+v", fetch)
	}
	if slices.ContainsFunc(server.VolumeMounts, func(m corev1.VolumeMount) bool { return m.Name == volume.Name }) {
		t.Errorf("the server sees them: %+v", server.VolumeMounts)
	}
	if job := v.Job("n", manifest.Evaluation{Name: "e"}).Spec.Template.Spec; len(job.Volumes) != 1 {
		t.Errorf("the evaluation sees them: %+v", job.Volumes)
	}
}

// The reference's host says whether a registry is spoken to without TLS; a flag would say so of every registry.
func TestPodsDoNotGiveUpTLS(t *testing.T) {
	v := aVersion(t)
	pods := []corev1.PodSpec{v.Deployment("n", new(int32(1))).Spec.Template.Spec, v.Job("n", manifest.Evaluation{}).Spec.Template.Spec}
	for _, pod := range pods {
		for _, c := range append(pod.InitContainers, pod.Containers...) {
			if slices.Contains(c.Args, "--plain-http") {
				t.Errorf("container %s: %v", c.Name, c.Args)
			}
		}
	}
}

func TestMonitoringOfAVersionIsHonoured(t *testing.T) {
	d := aVersion(t).Deployment("n", new(int32(2)))
	pod := d.Spec.Template
	server := pod.Spec.Containers[0]
	if server.Ports[0].ContainerPort != 8081 || server.LivenessProbe.HTTPGet.Path != "/live" || pod.Annotations["prometheus.io/port"] != "8081" {
		t.Errorf("%+v %v", server, pod.Annotations)
	}
	if got := aVersion(t).Service("n").Spec; got.ClusterIP != corev1.ClusterIPNone || got.Ports[0].Port != 8081 {
		t.Errorf("%+v", got)
	}
	for key, value := range d.Spec.Selector.MatchLabels {
		if pod.Labels[key] != value {
			t.Errorf("the selector's %s=%s is not on the Pods", key, value)
		}
	}
}

func TestAnEvaluationIsToldWhatToAskAndHow(t *testing.T) {
	asked := func(protocol profile.Protocol, e manifest.Evaluation) []string {
		v := aVersion(t)
		v.Template = manifest.NewTemplate(profile.Runtime{Image: "server", Protocol: protocol}, profile.Filling{})
		return v.Job("n", e).Spec.Template.Spec.Containers[0].Args
	}
	e := manifest.Evaluation{Endpoint: "http://a", Dataset: "d", Task: "t"}
	base := []string{"evaluate", "--endpoint=http://a", "--name=m", "--dataset=d", "--task=t", "--model-digest=sha256:0", "--runtime=server"}
	if diff := cmp.Diff(base, asked(profile.ProtocolOIP, e)); diff != "" {
		t.Errorf("over the Open Inference Protocol, as images of before know it (-want +got):\n%s", diff)
	}
	e.StableEndpoint, e.StableVersion = "http://b", "v0"
	want := append(slices.Clone(base), "--stable-endpoint=http://b", "--protocol=openai", "--version=v1", "--stable-version=v0")
	if diff := cmp.Diff(want, asked(profile.ProtocolOpenAI, e)); diff != "" {
		t.Errorf("over OpenAI's (-want +got):\n%s", diff)
	}
}

// A template that changes is another version, so one of a runtime of the Open Inference Protocol must stay as it was before
// runtimes had a protocol.
func TestTheProtocolChangesNoTemplateOfBefore(t *testing.T) {
	for protocol, want := range map[profile.Protocol]bool{"": false, profile.ProtocolOIP: false, profile.ProtocolOpenAI: true} {
		text, err := json.Marshal(manifest.NewTemplate(profile.Runtime{Protocol: protocol}, profile.Filling{}))
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(string(text), "protocol"); got != want {
			t.Errorf("%q gives %s", protocol, text)
		}
	}
}

func TestEvaluationsAreCountedByName(t *testing.T) {
	for name, run := range map[string]int{"id-evaluate": 1, "id-evaluate-2": 2, "id-evaluate-17": 17} {
		if got := manifest.JobName("id", run); got != name {
			t.Errorf("run %d is called %s, want %s", run, got, name)
		}
		if got := manifest.JobRun("id", name); got != run {
			t.Errorf("%s is run %d, want %d", name, got, run)
		}
	}
	for _, foreign := range []string{"other-evaluate", "id-evaluate-x", "id"} {
		if got := manifest.JobRun("id", foreign); got != 0 {
			t.Errorf("%s is run %d of id", foreign, got)
		}
	}
}
