package manifest

import "k8s.io/apimachinery/pkg/api/resource"

// cpuShare is a percentage of a CPU request, in whole millicores, as that is what the HPA counts in; never rounded down,
// so that no target becomes 0.
func cpuShare(request resource.Quantity, percent int32) string {
	milli := (request.MilliValue()*int64(percent) + 99) / 100
	return resource.NewMilliQuantity(milli, resource.DecimalSI).String()
}

// memoryShare is a percentage of a memory request, in bytes.
func memoryShare(request resource.Quantity, percent int32) string {
	return resource.NewQuantity(request.Value()*int64(percent)/100, resource.BinarySI).String()
}
