"""The field names that the Kubernetes API knows in and around a pod, to tell a typo from a field.

A table of facts: type → its fields, ``field:Type`` where the field's own type is in the table too. Fields
whose type is not in the table are not looked into. Source: the OpenAPI description of Kubernetes 1.37, as
the official Python client (kubernetes 37) has it, plus ``clusterName`` and ``workloadRef`` of older and
alpha versions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Final, Literal

Severity = Literal["error", "warning"]

_FIELDS: Final[Mapping[str, str]] = {
    "Node": "apiVersion kind metadata:ObjectMeta spec:NodeSpec status:NodeStatus",
    "NodeSpec": """
        configSource externalID podCIDR podCIDRs podPreemptionPolicy providerID taints:Taint unschedulable
    """,
    "NodeStatus": """
        addresses allocatable capacity conditions config daemonEndpoints declaredFeatures features images
        nodeInfo:NodeSystemInfo phase runtimeHandlers volumesAttached volumesInUse
    """,
    "NodeSystemInfo": """
        architecture bootID containerRuntimeVersion kernelVersion kubeProxyVersion kubeletVersion
        machineID operatingSystem osImage runningInUserNamespace swap:NodeSwapStatus systemUUID
    """,
    "NodeSwapStatus": "capacity",
    "Taint": "effect key timeAdded value",
    "LimitRange": "apiVersion kind metadata:ObjectMeta spec:LimitRangeSpec",
    "LimitRangeSpec": "limits:LimitRangeItem",
    "LimitRangeItem": "default defaultRequest max maxLimitRequestRatio min type",
    "ResourceQuota": "apiVersion kind metadata:ObjectMeta spec:ResourceQuotaSpec status",
    "ResourceQuotaSpec": "hard scopeSelector scopes",
    "PriorityClass": "apiVersion description globalDefault kind metadata:ObjectMeta preemptionPolicy value",
    "RuntimeClass": "apiVersion handler kind metadata:ObjectMeta overhead:Overhead scheduling",
    "Overhead": "podFixed",
    "KubeletConfiguration": """
        address allowedUnsafeSysctls apiVersion authentication authorization cgroupDriver cgroupRoot
        cgroupsPerQOS clusterDNS clusterDomain configMapAndSecretChangeDetectionStrategy
        containerLogMaxFiles containerLogMaxSize containerLogMaxWorkers containerLogMonitorInterval
        containerRuntimeEndpoint contentType cpuCFSQuota cpuCFSQuotaPeriod cpuManagerPolicy
        cpuManagerPolicyOptions cpuManagerReconcilePeriod crashLoopBackOff enableContentionProfiling
        enableControllerAttachDetach enableDebugFlagsHandler enableDebuggingHandlers
        enableProfilingHandler enableServer enableSystemLogHandler enableSystemLogQuery
        enforceNodeAllocatable eventBurst eventRecordQPS evictionHard evictionMaxPodGracePeriod
        evictionMinimumReclaim evictionPressureTransitionPeriod evictionSoft evictionSoftGracePeriod
        failCgroupV1 failSwapOn featureGates fileCheckFrequency hairpinMode healthzBindAddress
        healthzPort httpCheckFrequency imageGCHighThresholdPercent imageGCLowThresholdPercent
        imageMaximumGCAge imageMinimumGCAge imagePullCredentialsVerificationPolicy imageServiceEndpoint
        iptablesDropBit iptablesMasqueradeBit kernelMemcgNotification kind kubeAPIBurst kubeAPIQPS
        kubeReserved kubeReservedCgroup kubeletCgroups localStorageCapacityIsolation logging
        makeIPTablesUtilChains maxOpenFiles maxParallelImagePulls maxPods memoryManagerPolicy
        memoryReservationPolicy memorySwap:MemorySwap memoryThrottlingFactor mergeDefaultEvictionSettings
        nodeLeaseDurationSeconds nodeStatusMaxImages nodeStatusReportFrequency
        nodeStatusUpdateFrequency oomScoreAdj podCIDR podLogsDir podPidsLimit podsPerCore port
        preloadedImagesVerificationAllowlist protectKernelDefaults providerID qosReserved readOnlyPort
        registerNode registerWithTaints registryBurst registryPullQPS reservedMemory
        reservedSystemCPUs resolvConf rotateCertificates runOnce runtimeRequestTimeout seccompDefault
        serializeImagePulls serverTLSBootstrap showHiddenMetricsForVersion shutdownGracePeriod
        shutdownGracePeriodByPodPriority shutdownGracePeriodCriticalPods singleProcessOOMKill
        staticPodPath staticPodURL staticPodURLHeader streamingConnectionIdleTimeout syncFrequency
        systemCgroups systemReserved systemReservedCgroup tlsCertFile tlsCipherSuites
        tlsCurvePreferences tlsMinVersion tlsPrivateKeyFile topologyManagerPolicy
        topologyManagerPolicyOptions topologyManagerScope tracing userNamespaces volumePluginDir
        volumeStatsAggPeriod
    """,
    "MemorySwap": "swapBehavior",
    "Pod": "apiVersion kind metadata:ObjectMeta spec:PodSpec status",
    "PodTemplate": "apiVersion kind metadata:ObjectMeta template:PodTemplateSpec",
    "PodTemplateSpec": "metadata:ObjectMeta spec:PodSpec",
    "Deployment": "apiVersion kind metadata:ObjectMeta spec:DeploymentSpec status",
    "DeploymentSpec": """
        minReadySeconds paused progressDeadlineSeconds replicas revisionHistoryLimit
        selector:LabelSelector strategy template:PodTemplateSpec
    """,
    "StatefulSet": "apiVersion kind metadata:ObjectMeta spec:StatefulSetSpec status",
    "StatefulSetSpec": """
        minReadySeconds ordinals persistentVolumeClaimRetentionPolicy podManagementPolicy replicas
        revisionHistoryLimit selector:LabelSelector serviceName template:PodTemplateSpec updateStrategy
        volumeClaimTemplates
    """,
    "DaemonSet": "apiVersion kind metadata:ObjectMeta spec:DaemonSetSpec status",
    "DaemonSetSpec": """
        minReadySeconds revisionHistoryLimit selector:LabelSelector template:PodTemplateSpec
        updateStrategy
    """,
    "ReplicaSet": "apiVersion kind metadata:ObjectMeta spec:ReplicaSetSpec status",
    "ReplicaSetSpec": "minReadySeconds replicas selector:LabelSelector template:PodTemplateSpec",
    "ReplicationController": "apiVersion kind metadata:ObjectMeta spec:ReplicationControllerSpec status",
    "ReplicationControllerSpec": "minReadySeconds replicas selector template:PodTemplateSpec",
    "Job": "apiVersion kind metadata:ObjectMeta spec:JobSpec status",
    "JobSpec": """
        activeDeadlineSeconds backoffLimit backoffLimitPerIndex completionMode completions managedBy
        manualSelector maxFailedIndexes parallelism podFailurePolicy podReplacementPolicy scheduling
        selector:LabelSelector successPolicy suspend template:PodTemplateSpec ttlSecondsAfterFinished
    """,
    "CronJob": "apiVersion kind metadata:ObjectMeta spec:CronJobSpec status",
    "CronJobSpec": """
        concurrencyPolicy failedJobsHistoryLimit jobTemplate:JobTemplateSpec schedule
        startingDeadlineSeconds successfulJobsHistoryLimit suspend timeZone
    """,
    "JobTemplateSpec": "metadata:ObjectMeta spec:JobSpec",
    "PodSpec": """
        activeDeadlineSeconds affinity:Affinity automountServiceAccountToken containers:Container
        dnsConfig dnsPolicy enableServiceLinks ephemeralContainers:EphemeralContainer evictionResponders
        hostAliases:HostAlias hostIPC hostNetwork hostPID hostUsers hostname hostnameOverride
        imagePullSecrets:LocalObjectReference initContainers:Container nodeName nodeSelector os overhead
        preemptionPolicy priority priorityClassName readinessGates resourceClaims
        resources:ResourceRequirements restartPolicy runtimeClassName schedulerName schedulingGates
        schedulingGroup securityContext:PodSecurityContext serviceAccount serviceAccountName
        setHostnameAsFQDN shareProcessNamespace subdomain terminationGracePeriodSeconds
        tolerations:Toleration topologySpreadConstraints:TopologySpreadConstraint volumes:Volume workloadRef
    """,
    "Container": """
        args command env:EnvVar envFrom:EnvFromSource image imagePullPolicy lifecycle:Lifecycle
        livenessProbe:Probe name ports:ContainerPort readinessProbe:Probe
        resizePolicy:ContainerResizePolicy resources:ResourceRequirements restartPolicy restartPolicyRules
        securityContext:SecurityContext startupProbe:Probe stdin stdinOnce terminationMessagePath
        terminationMessagePolicy tty volumeDevices:VolumeDevice volumeMounts:VolumeMount workingDir
    """,
    "EphemeralContainer": """
        args command env:EnvVar envFrom:EnvFromSource image imagePullPolicy lifecycle:Lifecycle
        livenessProbe:Probe name ports:ContainerPort readinessProbe:Probe
        resizePolicy:ContainerResizePolicy resources:ResourceRequirements restartPolicy restartPolicyRules
        securityContext:SecurityContext startupProbe:Probe stdin stdinOnce targetContainerName
        terminationMessagePath terminationMessagePolicy tty volumeDevices:VolumeDevice
        volumeMounts:VolumeMount workingDir
    """,
    "ResourceRequirements": "claims limits requests",
    "ContainerResizePolicy": "resourceName restartPolicy",
    "ObjectMeta": """
        annotations clusterName creationTimestamp deletionGracePeriodSeconds deletionTimestamp finalizers
        generateName generation labels managedFields name namespace ownerReferences resourceVersion
        selfLink uid
    """,
    "EmptyDirVolumeSource": "medium mode sizeLimit",
    "Volume": """
        awsElasticBlockStore azureDisk azureFile cephfs cinder configMap csi downwardAPI
        emptyDir:EmptyDirVolumeSource ephemeral fc flexVolume flocker gcePersistentDisk gitRepo glusterfs
        hostPath image iscsi name nfs persistentVolumeClaim photonPersistentDisk portworxVolume projected
        quobyte rbd scaleIO secret storageos vsphereVolume
    """,
    "Probe": """
        exec:ExecAction failureThreshold grpc:GRPCAction httpGet:HTTPGetAction initialDelaySeconds
        periodSeconds successThreshold tcpSocket:TCPSocketAction terminationGracePeriodSeconds
        timeoutSeconds
    """,
    "Lifecycle": "postStart:LifecycleHandler preStop:LifecycleHandler stopSignal",
    "LifecycleHandler": "exec:ExecAction httpGet:HTTPGetAction sleep tcpSocket:TCPSocketAction",
    "HTTPGetAction": "host httpHeaders path port protocol scheme",
    "TCPSocketAction": "host port",
    "ExecAction": "command",
    "GRPCAction": "mode port service",
    "EnvVar": "name value valueFrom:EnvVarSource",
    "EnvVarSource": "configMapKeyRef fieldRef fileKeyRef resourceFieldRef secretKeyRef",
    "EnvFromSource": "configMapRef prefix secretRef",
    "ContainerPort": "containerPort hostIP hostPort name protocol",
    "VolumeMount": """
        bindMountOptions mountPath mountPropagation name readOnly recursiveReadOnly subPath subPathExpr
    """,
    "VolumeDevice": "devicePath name",
    "SecurityContext": """
        allowPrivilegeEscalation appArmorProfile capabilities privileged procMount readOnlyRootFilesystem
        runAsGroup runAsNonRoot runAsUser seLinuxOptions seccompProfile windowsOptions
    """,
    "PodSecurityContext": """
        appArmorProfile fsGroup fsGroupChangePolicy runAsGroup runAsNonRoot runAsUser seLinuxChangePolicy
        seLinuxOptions seccompProfile supplementalGroups supplementalGroupsPolicy sysctls windowsOptions
    """,
    "Toleration": "effect key operator tolerationSeconds value",
    "TopologySpreadConstraint": """
        labelSelector:LabelSelector matchLabelKeys maxSkew minDomains nodeAffinityPolicy nodeTaintsPolicy
        topologyKey whenUnsatisfiable
    """,
    "LabelSelector": "matchExpressions matchLabels",
    "Affinity": "nodeAffinity podAffinity podAntiAffinity",
    "LocalObjectReference": "name",
    "HostAlias": "hostnames ip",
}

# A typo in these changes a class, a value or what runs at all; elsewhere it is told, and tolerated, since a
# newer API may know it.
_DECISIVE: Final = frozenset({
    "Pod", "PodTemplate", "PodTemplateSpec", "Deployment", "DeploymentSpec", "StatefulSet", "StatefulSetSpec",
    "DaemonSet", "DaemonSetSpec", "ReplicaSet", "ReplicaSetSpec", "ReplicationController",
    "ReplicationControllerSpec", "Job", "JobSpec", "CronJob", "CronJobSpec", "JobTemplateSpec", "PodSpec",
    "Container", "EphemeralContainer", "ResourceRequirements", "ContainerResizePolicy", "ObjectMeta",
    "EmptyDirVolumeSource", "LimitRange", "LimitRangeSpec", "LimitRangeItem", "ResourceQuotaSpec",
    "PriorityClass", "RuntimeClass", "Overhead", "MemorySwap",
})  # fmt: skip
# Of these only what is nearly a known name is an error: the list is long and grows with every version.
_ONLY_NEAR: Final = frozenset({"KubeletConfiguration", "Node", "NodeSpec", "NodeStatus", "NodeSystemInfo"})

Unknown = tuple[tuple[str | int, ...], Severity, str | None]


@cache
def fields_of(type_name: str) -> Mapping[str, str | None]:
    """Field → the name of its type where that is in the table, else None.

    >>> fields_of("ResourceRequirements")
    {'claims': None, 'limits': None, 'requests': None}
    """
    pairs = (word.partition(":") for word in _FIELDS[type_name].split())
    return {name: type_ or None for name, _, type_ in pairs}


@cache
def _typed_fields(type_name: str) -> tuple[tuple[str, str], ...]:
    return tuple((name, type_) for name, type_ in fields_of(type_name).items() if type_)


def unknown_fields(data: Any, type_name: str, path: tuple[str | int, ...] = ()) -> Iterator[Unknown]:
    """Every field that the API does not know: its path, severity and the nearest known name."""
    if isinstance(data, list):
        for index, item in enumerate(data):
            yield from unknown_fields(item, type_name, (*path, index))
        return
    if not isinstance(data, dict):
        return
    known = fields_of(type_name)
    if not data.keys() <= known.keys():
        for name in data:
            if name not in known:
                close = nearest(name, known)
                decisive = type_name in _DECISIVE or (close is not None and type_name in _ONLY_NEAR)
                yield (*path, name), "error" if decisive else "warning", close
    for name, type_ in _typed_fields(type_name):
        if name in data:
            yield from unknown_fields(data[name], type_, (*path, name))


def nearest(name: str, known: Mapping[str, Any]) -> str | None:
    """The known name that a typo most likely meant, None where nothing is near."""
    from difflib import get_close_matches  # noqa: PLC0415 - only a typo needs it

    lower = {each.lower(): each for each in known}
    close = get_close_matches(name.lower(), lower, n=1, cutoff=0.7)
    return lower[close[0]] if close else None
