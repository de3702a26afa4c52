package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/suoke-life/suoke/test/apiserver"
)

// cluster is the API server that the commands of a test talk to.
var cluster *apiserver.Server

// asProgram in the environment makes this test's executable the program, for a command that starts itself.
const asProgram = "SUOKE_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
		return
	}
	os.Exit(apiserver.Main(m, func(s *apiserver.Server) { cluster = s }))
}

// kubeconfig writes the file by which a command finds the API server.
func kubeconfig(t *testing.T) string {
	t.Helper()
	config := clientcmdapi.NewConfig()
	config.Clusters["test"] = &clientcmdapi.Cluster{Server: cluster.Config.Host, CertificateAuthorityData: cluster.Config.CAData}
	config.AuthInfos["test"] = &clientcmdapi.AuthInfo{ClientCertificateData: cluster.Config.CertData, ClientKeyData: cluster.Config.KeyData}
	config.Contexts["test"] = &clientcmdapi.Context{Cluster: "test", AuthInfo: "test"}
	config.CurrentContext = "test"
	file := filepath.Join(t.TempDir(), "kubeconfig")
	if err := clientcmd.WriteToFile(*config, file); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestHelpShowsTheNameThatTheProgramIsCalledBy(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"by its own name":                  {[]string{"/usr/local/bin/suoke", "rollout", "get", "-h"}, "suoke rollout get NAME [flags]"},
		"by kubectl":                       {[]string{"/usr/local/bin/kubectl-suoke", "rollout", "get", "-h"}, "kubectl suoke rollout get NAME [flags]"},
		"by kubectl, to complete commands": {[]string{"kubectl_complete-suoke", "rollout", "exp"}, "explain\tSay in sentences"},
	} {
		t.Run(name, func(t *testing.T) {
			root := newRootCommand()
			var out strings.Builder
			root.SetOut(&out)
			root.SetErr(t.Output())
			root.SetArgs(calledAs(root, c.args))
			if err := root.ExecuteContext(t.Context()); err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(out.String(), c.want) || strings.Contains(out.String(), "kubectl") != strings.Contains(c.want, "kubectl") {
				t.Errorf("got\n%s\nwant %q", out.String(), c.want)
			}
		})
	}
}
